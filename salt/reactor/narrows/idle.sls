{#- salt/beacon/*/narrows/idle: an agent on demand rests once its site does not need it. #}
narrows-idle:
  runner.narrows.rest:
    - args:
      - minion: {{ data['id'] | json }}
