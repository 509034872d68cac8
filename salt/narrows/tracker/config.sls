{%- from 'narrows/map.jinja' import narrows with context %}
{%- set tracker = narrows.tracker %}
{%- set wanted = narrows.pillar.tracker %}
{%- set config = salt['slsutil.merge']({
      'site_map': tracker.site_map,
      'torrents': tracker.torrents,
      'state': tracker.state,
    }, wanted.get('config') or {}) %}
{%- set header = '# Managed by Salt from the pillar narrows:tracker; changes made here are lost.\n' %}

include:
  - narrows.tracker.package

narrows-tracker-config-directory:
  file.directory:
    - name: {{ salt['file.dirname'](tracker.config) | json }}
    - makedirs: true
    - mode: '0755'
{% for folder in [config.torrents, config.state] %}
narrows-tracker-config-own-directory-{{ loop.index }}:
  file.directory:
    - name: {{ folder | json }}
    - makedirs: true
    - mode: '0755'
{%-   if tracker.user %}
    - user: {{ tracker.user | json }}
    - group: {{ tracker.group | json }}
    - require:
      - user: narrows-tracker-package-user-present
{%-   endif %}
    - require_in:
      - file: narrows-tracker-config-file-managed
{% endfor %}
{%- if wanted.get('admin_token') %}
narrows-tracker-config-token-managed:
  file.managed:
    - name: {{ tracker.token | json }}
    - contents: {{ wanted.admin_token | json }}
    - contents_newline: true
    - show_changes: false
    - user: root
    - group: {{ tracker.group | json }}
    - mode: '0640'
    - require:
      - narrows-tracker-package-installed
      - file: narrows-tracker-config-directory
    - require_in:
      - file: narrows-tracker-config-file-managed
{%-   do config.update({'admin_token': tracker.token}) %}
{% endif %}
narrows-tracker-config-site-map-managed:
  file.managed:
    - name: {{ tracker.site_map | json }}
    - contents: {{ (header ~ salt['slsutil.serialize']('yaml', wanted.sites, default_flow_style=false)) | json }}
    - user: root
    - group: {{ tracker.group | json }}
    - mode: '0640'
    - check_cmd: {{ salt['narrows.command'](tracker.binary, 'check', '--site-map') | json }}
    - require:
      - narrows-tracker-package-installed
      - file: narrows-tracker-config-directory

narrows-tracker-config-file-managed:
  file.managed:
    - name: {{ tracker.config | json }}
    - contents: {{ (header ~ salt['slsutil.serialize']('yaml', config, default_flow_style=false)) | json }}
    - user: root
    - group: {{ tracker.group | json }}
    - mode: '0640'
    - check_cmd: {{ salt['narrows.command'](tracker.binary, 'check', '--config') | json }}
    - require:
      - file: narrows-tracker-config-site-map-managed

{# what was published while this tracker was away; the runner tells a tracker that is there at once #}
narrows-tracker-config-torrents:
  narrows.tracked:
    - name: {{ config.torrents | json }}
    - source: salt://narrows/torrents
    - user: {{ tracker.user | json }}
    - require:
      - file: narrows-tracker-config-file-managed
