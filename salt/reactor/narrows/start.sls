{#- salt/minion/*/start: a client that was off joins by itself. What the event says is checked by the runner, as in
    completed.sls. #}
{%- set minion = data.get('id') if data is mapping else none %}
{%- if minion is string and tag == 'salt/minion/' ~ minion ~ '/start' %}
narrows-start:
  runner.narrows.join:
    - args:
      - minion: {{ minion | json }}
{%- else %}
{}
{%- endif %}
