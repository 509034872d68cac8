{%- from 'narrows/map.jinja' import narrows with context %}
{%- if narrows.mistakes %}
{%-   from 'narrows/mistakes.jinja' import failed with context %}
{{- failed('narrows-tracker-pillar', narrows.mistakes) }}
{%- elif not narrows.pillar.get('tracker', {}).get('sites') %}
{%-   from 'narrows/mistakes.jinja' import failed with context %}
{{- failed('narrows-tracker-pillar', ["There is no site map in it; write it as narrows:tracker:sites, see pillar.example."]) }}
{%- else %}
include:
  - narrows.tracker.package
  - narrows.tracker.config
  - narrows.tracker.service
{%- endif %}
