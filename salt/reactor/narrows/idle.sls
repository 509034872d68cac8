{#- salt/beacon/*/narrows/idle: an agent on demand rests once its site does not need it. What the event says is checked by the
    runner, as in completed.sls. #}
{%- set minion = data.get('id') if data is mapping else none %}
{%- if minion is string and tag == 'salt/beacon/' ~ minion ~ '/narrows/idle' %}
narrows-idle:
  runner.narrows.rest:
    - args:
      - minion: {{ minion | json }}
{%- else %}
{}
{%- endif %}
