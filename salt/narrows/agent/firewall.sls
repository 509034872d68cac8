{#- On Windows no peer reaches a service before its port is open; elsewhere the firewall is the administrator's. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- set wanted = narrows.pillar.get('agent') or {} %}
{%- if narrows.windows and wanted.get('firewall', true) %}
include:
  - narrows.agent.config

narrows-agent-firewall:
  narrows_firewall.only:
    - name: Narrows agent
    - port: {{ salt['narrows.open_port'](narrows.pillar) | json }}
    - require:
      - file: narrows-agent-config-file-managed
{%- else %}
{}
{%- endif %}
