{%- from 'narrows/map.jinja' import narrows with context %}
{%- set agent = narrows.agent %}
{#- asked once, here: for `onlyif` Salt loads every state module it has, and no state of this run makes a service #}
{%- set is_service = salt['service.available'](agent.service) %}
{%- if opts.get('file_client') != 'local' %}
narrows-agent-clean-beacon:
  beacon.absent:
    - name: narrows
    - save: true
{% endif %}
{#- what is below needs a service that does not run, be it that there is none #}
narrows-agent-clean-service-dead:
{%- if is_service %}
  service.dead:
    - name: {{ agent.service | json }}
    - enable: false
{%- else %}
  test.nop
{%- endif %}
{% if narrows.windows %}
narrows-agent-clean-firewall:
  narrows_firewall.only:
    - name: Narrows agent
{%    if is_service %}
narrows-agent-clean-unit:
  cmd.run:
    - name: {{ ('"' ~ agent.binary ~ '" service uninstall') | json }}
    - require:
      - narrows-agent-clean-service-dead
    - require_in:
      - narrows-agent-clean-package
{%    endif %}
{%- else %}
narrows-agent-clean-unit:
  file.absent:
    - name: {{ agent.unit | json }}
    - require:
      - narrows-agent-clean-service-dead
    - require_in:
      - narrows-agent-clean-package

narrows-agent-clean-daemon-reload:
  module.run:
    - name: service.systemctl_reload
    - onchanges:
      - file: narrows-agent-clean-unit
{% endif %}
{%- for path in [agent.config, agent.torrents, agent.state] %}
narrows-agent-clean-{{ loop.index }}:
  file.absent:
    - name: {{ path | json }}
    - require:
      - narrows-agent-clean-service-dead
{% endfor %}
{%- set package = (narrows.pillar.get('agent') or {}).get('package') or agent.package %}
narrows-agent-clean-package:
{%- if package %}
  pkg.removed:
    - name: {{ package | json }}
{%- else %}
  file.absent:
    - name: {{ agent.binary | json }}
{%- endif %}
{% if agent.user %}
narrows-agent-clean-user:
  user.absent:
    - name: {{ agent.user | json }}
    - require:
      - narrows-agent-clean-service-dead

narrows-agent-clean-group:
  group.absent:
    - name: {{ agent.group | json }}
    - require:
      - user: narrows-agent-clean-user
{% endif %}
