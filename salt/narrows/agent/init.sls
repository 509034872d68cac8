{%- from 'narrows/map.jinja' import narrows with context %}
{%- if narrows.mistakes %}
{%-   from 'narrows/mistakes.jinja' import failed with context %}
{{- failed('narrows-agent-pillar', narrows.mistakes) }}
{%- else %}
include:
  - narrows.agent.package
  - narrows.agent.config
{%-   if narrows.windows %}
  - narrows.agent.firewall
{%-   endif %}
  - narrows.agent.service
  - narrows.agent.beacon
{%- endif %}
