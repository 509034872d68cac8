{#- Windows lets nobody in unless told: neighbours could not fetch from this machine. `win_firewall.add_rule` looks only at a
    rule's name, so the port is in it. Included on Windows alone, unless the pillar says firewall: false. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- set port = salt['narrows.listen_port'](narrows.pillar) %}
narrows-agent-firewall:
  win_firewall.add_rule:
    - name: 'Narrows agent (TCP {{ port }})'
    - localport: {{ port }}
    - protocol: tcp
    - action: allow
    - dir: in
