{%- from 'narrows/map.jinja' import narrows with context %}
{%- from 'narrows/package.jinja' import program with context %}
{%- set wanted = narrows.pillar.get('agent') or {} %}
{%- if narrows.windows and wanted.get('source') and salt['service.available'](narrows.agent.service) %}
{#- a program that runs cannot be replaced there #}
narrows-agent-package-service-dead:
  service.dead:
    - name: {{ narrows.agent.service | json }}
    - prereq:
      - file: narrows-agent-package-installed
{% endif %}
{{ program('agent', wanted, narrows.agent, narrows.windows) }}
