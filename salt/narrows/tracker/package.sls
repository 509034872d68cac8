{%- from 'narrows/map.jinja' import narrows with context %}
{%- from 'narrows/package.jinja' import program with context %}
{{ program('tracker', narrows.pillar.get('tracker') or {}, narrows.tracker, narrows.windows) }}
