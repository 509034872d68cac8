{%- from 'narrows/map.jinja' import narrows with context %}
{%- set agent = narrows.agent %}
{%- if opts.get('file_client') != 'local' %}
narrows-agent-clean-beacon:
  beacon.absent:
    - name: narrows
    - save: true
{% endif %}
narrows-agent-clean-service-dead:
  service.dead:
    - name: {{ agent.service }}
    - enable: false
    - onlyif:
      - fun: service.available
        name: {{ agent.service }}
{% if narrows.windows %}
{%-   set port = salt['narrows.listen_port'](narrows.pillar) %}
narrows-agent-clean-firewall:
  win_firewall.delete_rule:
    - name: 'Narrows agent (TCP {{ port }})'
    - localport: {{ port }}
    - protocol: tcp
    - dir: in

narrows-agent-clean-unit:
  cmd.run:
    - name: '"{{ agent.binary }}" service uninstall'
    - onlyif:
      - fun: service.available
        name: {{ agent.service }}
    - require:
      - service: narrows-agent-clean-service-dead
{% else %}
narrows-agent-clean-unit:
  file.absent:
    - name: {{ agent.unit }}
    - require:
      - service: narrows-agent-clean-service-dead

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
      - service: narrows-agent-clean-service-dead
{% endfor %}
{%- set package = (narrows.pillar.get('agent') or {}).get('package') or agent.package %}
narrows-agent-clean-package:
{%- if package %}
  pkg.removed:
    - name: {{ package }}
{%- else %}
  file.absent:
    - name: {{ agent.binary | json }}
{%- endif %}
    - require:
      - narrows-agent-clean-unit
{% if agent.user %}
narrows-agent-clean-user:
  user.absent:
    - name: {{ agent.user }}
    - require:
      - service: narrows-agent-clean-service-dead

narrows-agent-clean-group:
  group.absent:
    - name: {{ agent.group }}
    - require:
      - user: narrows-agent-clean-user
{% endif %}
