{#- agent.yaml is the whole truth about what the agent does, and the pillar is the whole truth about agent.yaml. #}
{%- from 'narrows/map.jinja' import narrows with context %}
{%- set agent = narrows.agent %}
{%- set contents = salt['narrows.wanted'](narrows.pillar, agent) %}
{%- set config = salt['narrows.agent_config'](narrows.pillar, agent) %}
{%- set header = '# Managed by Salt from the pillar narrows:agent and narrows:content; changes made here are lost.\n' %}

include:
  - narrows.agent.package
{% for folder in [salt['file.dirname'](agent.config), agent.torrents] | unique %}
narrows-agent-config-directory-{{ loop.index }}:
  file.directory:
    - name: {{ folder | json }}
    - makedirs: true
{%-   if not narrows.windows %}
    - user: root
    - group: root
    - mode: '0755'
{%-   endif %}
{% endfor %}
{%- for folder in [agent.data, agent.state] %}
narrows-agent-config-own-directory-{{ loop.index }}:
  file.directory:
    - name: {{ folder | json }}
    - makedirs: true
{%-   if agent.user %}
    - user: {{ agent.user | json }}
    - group: {{ agent.group | json }}
    - mode: '{{ '0755' if folder == agent.data else '0700' }}'
    - require:
      - user: narrows-agent-package-user-present
{%-   endif %}
{% endfor %}
{%- for content in contents if content.ensure == 'present' %}
{{ ('narrows-agent-config-torrent-' ~ content.name) | json }}:
  narrows.torrent:
    - name: {{ content.path | json }}
    - source: {{ content.torrent | json }}
    - info_hash: {{ content.info_hash | json }}
    - require_in:
      - file: narrows-agent-config-file-managed
{# the agent makes the folder itself where it may; only what lies outside of its own needs an owner. Asked here: for
   `unless` Salt loads every state module it has (three seconds of the time to a client's first piece) #}
{%-   if not salt['file.directory_exists'](content.target) %}
{{ ('narrows-agent-config-target-' ~ content.name) | json }}:
  file.directory:
    - name: {{ content.target | json }}
    - makedirs: true
{%-     if agent.user %}
    - user: {{ agent.user | json }}
    - group: {{ agent.group | json }}
    - require:
      - user: narrows-agent-package-user-present
{%-     endif %}
    - require_in:
      - file: narrows-agent-config-file-managed
{%-   endif %}
{% endfor %}
narrows-agent-config-file-managed:
  file.managed:
    - name: {{ agent.config | json }}
    - contents: {{ (header ~ salt['slsutil.serialize']('yaml', config, default_flow_style=false)) | json }}
{%- if not narrows.windows %}
    - user: root
    - group: {{ agent.group | json }}
    - mode: '0644'
{%- endif %}
    - check_cmd: {{ salt['narrows.command'](agent.binary, 'check', '--config') | json }}
    - require:
      - narrows-agent-package-installed

narrows-agent-config-torrents-only:
  narrows.torrents_only:
    - name: {{ agent.torrents | json }}
    - keep: {{ contents | selectattr('ensure', 'equalto', 'present') | map(attribute='path') | list | json }}
    - require:
      - file: narrows-agent-config-file-managed
