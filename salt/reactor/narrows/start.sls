{#- salt/minion/*/start: a client that was off joins by itself. What an event says is data, so all of it goes through json. #}
narrows-start:
  runner.state.orchestrate:
    - args:
      - mods: narrows.orch.start
      - pillar:
          minion: {{ data['id'] | json }}
