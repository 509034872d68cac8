{#- Undoes narrows, in reverse order. Content that has arrived stays where it is. #}
include:
  - narrows.content.clean
  - narrows.agent.clean
  - narrows.tracker.clean
