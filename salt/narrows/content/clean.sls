{#- Takes every content from the agent. Files stay, but for contents that say `purge: true`. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- if 'narrows.wanted' in salt %}
{%-   for content in salt['narrows.wanted'](narrows.pillar, narrows.agent) %}
{{ ('narrows-content-clean-' ~ content.name) | json }}:
  narrows.absent:
    - name: {{ content.name | json }}
    - info_hash: {{ content.info_hash | json }}
    - target: {{ content.target | json }}
    - file: {{ content.file | json }}
    - purge: {{ content.purge | json }}
    - original: {{ content.original | json }}
    - unassign: true
{%    endfor %}
{%- endif %}
