{#- By pillar: the tracker where narrows:tracker:sites is, the agent where narrows:agent is, and what it shall hold. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- set is_tracker = narrows.pillar.get('tracker', {}).get('sites') %}
{%- set is_agent = 'agent' in narrows.pillar or not is_tracker %}

include:
{%- if is_tracker %}
  - narrows.tracker
{%- endif %}
{%- if is_agent %}
  - narrows.agent
  - narrows.content
{%- endif %}
