{#- salt/beacon/*/narrows/completed: install what has arrived, where there is a state for it: `install/<content>.sls`.
    `queue: true`, for a minion may be busy with other states. #}
narrows-completed-install:
  runner.narrows.install:
    - args:
      - minion: {{ data['id'] | json }}
      - name: {{ data['content'] | json }}

narrows-completed-settle:
  runner.narrows.settle:
    - args:
      - name: {{ data['content'] | json }}
