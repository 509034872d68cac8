{%- from 'narrows/map.jinja' import narrows with context %}
{%- set agent = narrows.agent %}
{%- set wanted = narrows.pillar.get('agent') or {} %}
{%- set active = wanted.get('active', true) %}
{%- if active == 'on_demand' %}
{#- runs only while something is missing; the reactor stops it when its site needs it no more #}
{%-   set function = 'running' if salt['narrows.missing'](narrows.pillar, agent) or salt['service.status'](agent.service) else 'dead' %}
{%- else %}
{%-   set function = 'running' if active else 'dead' %}
{%- endif %}

include:
  - narrows.agent.package
  - narrows.agent.config
{% if narrows.windows %}
{#- asked here: for `unless` Salt loads every state module it has. A package may bring the service after we asked, and one
    that takes another's place brings a new one: this completes it, with restarts after failures for one #}
{%-   set is_service = salt['service.available'](agent.service) %}
{%-   set package = wanted.get('package') or agent.package %}
{%-   if package or not is_service %}
narrows-agent-service-unit:
  cmd.run:
    - name: {{ salt['narrows.command'](agent.binary, 'service', 'install', '--config', '"' ~ agent.config ~ '"') | json }}
    - require:
      - narrows-agent-package-installed
      - file: narrows-agent-config-file-managed
{%-     if is_service %}
    - onchanges:
      - narrows-agent-package-installed
{%-     endif %}
    - require_in:
      - service: narrows-agent-service
{%-   endif %}
{% else %}
narrows-agent-service-unit:
  file.managed:
    - name: {{ agent.unit | json }}
    - source: salt://narrows/files/narrows-agent.service
    - template: jinja
    - mode: '0644'
    - context:
        agent: {{ agent | json }}
        targets: {{ salt['narrows.folders_outside'](narrows.pillar, agent) | json }}
    - {{ 'watch_in' if function == 'running' else 'require_in' }}:
      - service: narrows-agent-service

narrows-agent-service-daemon-reload:
  module.run:
    - name: service.systemctl_reload
    - onchanges:
      - file: narrows-agent-service-unit
    - require_in:
      - service: narrows-agent-service
{% endif %}
narrows-agent-service:
  service.{{ function }}:
    - name: {{ agent.service | json }}
    - enable: {{ (active == true) | json }}
{%- if function == 'running' %}
    - require:
      - file: narrows-agent-config-file-managed
    - watch:
      - narrows-agent-package-installed

# not a restart: what is being fetched goes on
narrows-agent-service-reloaded:
  narrows.reloaded:
    - name: {{ agent.config | json }}
    - service: {{ agent.service | json }}
    - require:
      - service: narrows-agent-service
    - onchanges:
      - file: narrows-agent-config-file-managed
{%- endif %}
