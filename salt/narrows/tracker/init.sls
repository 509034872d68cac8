{%- from 'narrows/map.jinja' import narrows with context %}
{%- if narrows.mistakes %}
{%-   from 'narrows/mistakes.jinja' import failed with context %}
{{- failed('narrows-tracker-pillar', narrows.mistakes) }}
{%- elif not narrows.pillar.get('tracker', {}).get('sites') %}
narrows-tracker-pillar:
  test.fail_without_changes:
    - name: This minion has no site map; write it into the pillar of the tracker, as narrows:tracker:sites (see pillar.example).
{%- else %}
include:
  - narrows.tracker.package
  - narrows.tracker.config
  - narrows.tracker.service
{%- endif %}
