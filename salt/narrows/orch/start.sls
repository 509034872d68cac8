{#- A minion has (re)started: give it the modules of Narrows, then what it shall hold. One after the other, which two
    reactions to one event would not be. #}
{%- set minion = pillar.get('minion', '') %}
start-sync:
  salt.function:
    - name: saltutil.sync_all
    - tgt: {{ minion | json }}
    - tgt_type: list

start-apply:
  salt.state:
    - tgt: {{ minion | json }}
    - tgt_type: list
    - sls: narrows
    - queue: true
    - require:
      - salt: start-sync
