{%- from 'narrows/map.jinja' import narrows with context %}
{%- set tracker = narrows.tracker %}
{%- set active = narrows.pillar.tracker.get('active', true) %}

include:
  - narrows.tracker.package
  - narrows.tracker.config

narrows-tracker-service-unit:
  file.managed:
    - name: {{ tracker.unit | json }}
    - source: salt://narrows/files/narrows-tracker.service
    - template: jinja
    - mode: '0644'
    - context:
        tracker: {{ tracker | json }}

narrows-tracker-service-daemon-reload:
  module.run:
    - name: service.systemctl_reload
    - onchanges:
      - file: narrows-tracker-service-unit
    - require_in:
      - service: narrows-tracker-service

# the tracker reads its site map and the folder of torrents again by itself; the rest needs a restart, which interrupts nothing
narrows-tracker-service:
  service.{{ 'running' if active else 'dead' }}:
    - name: {{ tracker.service | json }}
    - enable: {{ active | json }}
    - require:
      - file: narrows-tracker-service-unit
      - file: narrows-tracker-config-file-managed
{%- if active %}
    - watch:
      - narrows-tracker-package-installed
      - file: narrows-tracker-service-unit
      - file: narrows-tracker-config-file-managed
{%- endif %}
