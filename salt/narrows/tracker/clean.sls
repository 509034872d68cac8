{%- from 'narrows/map.jinja' import narrows with context %}
{%- set tracker = narrows.tracker %}
{%- if not narrows.windows %}
{#- asked here: for `onlyif` Salt loads every state module it has, and no state of this run makes a service #}
narrows-tracker-clean-service-dead:
{%-   if salt['service.available'](tracker.service) %}
  service.dead:
    - name: {{ tracker.service | json }}
    - enable: false
{%-   else %}
  test.nop
{%-   endif %}

narrows-tracker-clean-unit:
  file.absent:
    - name: {{ tracker.unit | json }}
    - require:
      - narrows-tracker-clean-service-dead

narrows-tracker-clean-daemon-reload:
  module.run:
    - name: service.systemctl_reload
    - onchanges:
      - file: narrows-tracker-clean-unit
{% for path in [tracker.config, tracker.site_map, tracker.token, tracker.torrents, tracker.state] %}
narrows-tracker-clean-{{ loop.index }}:
  file.absent:
    - name: {{ path | json }}
    - require:
      - narrows-tracker-clean-service-dead
{% endfor %}
{%- set package = (narrows.pillar.get('tracker') or {}).get('package') or tracker.package %}
narrows-tracker-clean-package:
{%- if package %}
  pkg.removed:
    - name: {{ package | json }}
{%- else %}
  file.absent:
    - name: {{ tracker.binary | json }}
{%- endif %}
    - require:
      - file: narrows-tracker-clean-unit

{%- if tracker.user %}

narrows-tracker-clean-user:
  user.absent:
    - name: {{ tracker.user | json }}
    - require:
      - narrows-tracker-clean-service-dead

narrows-tracker-clean-group:
  group.absent:
    - name: {{ tracker.group | json }}
    - require:
      - user: narrows-tracker-clean-user
{%- endif %}
{%- endif %}
