{#- salt/beacon/*/narrows/completed: install what has arrived, where there is a state for it: `install/<content>.sls`.
    Tag and data of an event are its sender's words, which may be any minion: the runner knows the accepted ones, and asks the one
    that is named before it acts. All that is passed on goes through json. #}
{%- set minion = data.get('id') if data is mapping else none %}
{%- if minion is string and tag == 'salt/beacon/' ~ minion ~ '/narrows/completed' %}
{%-   set content = (data.get('content') | string)[:64] %}
narrows-completed-install:
  runner.narrows.install:
    - args:
      - minion: {{ minion | json }}
      - name: {{ content | json }}

narrows-completed-settle:
  runner.narrows.settle:
    - args:
      - name: {{ content | json }}
      - spaced: 10
{%- else %}
{}
{%- endif %}
