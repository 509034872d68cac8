{#- What the agent shall hold: assigned at once, fetched in its own time. A state that needs the files requires `narrows.present`. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- if narrows.mistakes %}
{%-   from 'narrows/mistakes.jinja' import failed with context %}
{{- failed('narrows-content-pillar', narrows.mistakes) }}
{%- else %}
{%-   set active = (narrows.pillar.get('agent') or {}).get('active', true) %}
include:
  - narrows.agent
{%    for content in salt['narrows.wanted'](narrows.pillar, narrows.agent) %}
{%-     if content.ensure == 'absent' %}
{{ ('narrows-content-' ~ content.name) | json }}:
  narrows.absent:
    - name: {{ content.name | json }}
    - info_hash: {{ content.info_hash | json }}
    - target: {{ content.target | json }}
    - file: {{ content.file | json }}
    - purge: {{ content.purge | json }}
    - original: {{ content.original | json }}
    - require:
      - file: narrows-agent-config-file-managed
      - sls: narrows.agent.service
{%      elif active %}
{{ ('narrows-content-' ~ content.name) | json }}:
  narrows.assigned:
    - name: {{ content.name | json }}
    - info_hash: {{ content.info_hash | json }}
    - on_demand: {{ (active == 'on_demand') | json }}
    - require:
      - file: narrows-agent-config-file-managed
      - sls: narrows.agent.service
{%      endif %}
{%-   endfor %}
{%- endif %}
