{#- Completed, failed and idle events. `beacon.present` takes effect at once; beacons in the pillar only after a restart of the minion. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- set wanted = narrows.pillar.get('agent') or {} %}
{%- set beacon = wanted.get('beacon', true) %}
{%- if beacon and opts.get('file_client') != 'local' %}
narrows-agent-beacon:
  beacon.present:
    - name: narrows
    - save: true
    - interval: {{ wanted.get('beacon_interval', 5) | json }}
    - idle_after: {{ wanted.get('idle_after', 300) | json }}
    - disable_during_state_run: false
{%- elif opts.get('file_client') != 'local' %}
narrows-agent-beacon:
  beacon.absent:
    - name: narrows
    - save: true
{%- else %}
{#- masterless: no master would hear it #}
{}
{%- endif %}
