{%- from 'narrows/map.jinja' import narrows with context %}
{%- if narrows.mistakes %}
{%-   from 'narrows/mistakes.jinja' import failed with context %}
{{- failed('narrows-agent-pillar', narrows.mistakes) }}
{%- else %}
include:
  - narrows.agent.package
  - narrows.agent.config
  - narrows.agent.service
{%-   if narrows.windows and (narrows.pillar.get('agent') or {}).get('firewall', true) %}
  - narrows.agent.firewall
{%-   endif %}
  - narrows.agent.beacon
{%- endif %}
