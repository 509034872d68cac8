{#- A rollout from end to end, on the master:

      salt-run state.orchestrate narrows.orch.rollout pillar='{rollout: {name: office, percent: 90, then: install.office}}'

    name     the published content
    percent  of the minions of each site that must have it, complete and verified, before anything is run; default 100
    timeout  seconds to wait for that; default 14400
    then     the SLS to apply to all who shall have it; it should require `narrows.present`, so that late ones wait #}
{%- set rollout = pillar.get('rollout', {}) %}
{%- set name = rollout.get('name', 'NAME IS MISSING') %}
{%- set published = salt['saltutil.runner']('narrows.published') %}
{%- if name not in published %}
rollout-name:
  test.fail_without_changes:
    - name: rollout
    - comment: {{ ('No content ' ~ name ~ ' has been published; say which in the pillar, as rollout:name.') | json }}
{%- else %}
{%-   set data = published[name] %}
rollout-assign:
  salt.state:
    - tgt: {{ data.tgt | json }}
    - tgt_type: compound
    - sls: narrows.content
    - queue: true
    # who is off now joins by itself when it comes back
    - allow_fail: {{ rollout.get('allow_fail', 1000000) | json }}

rollout-wait:
  salt.runner:
    - name: narrows.wait
    - kwarg:
        name: {{ name | json }}
        percent: {{ rollout.get('percent', 100) | json }}
        timeout: {{ rollout.get('timeout', 14400) | json }}
    - require:
      - salt: rollout-assign
{%    if rollout.get('then') %}
rollout-then:
  salt.state:
    - tgt: {{ data.tgt | json }}
    - tgt_type: compound
    - sls: {{ rollout['then'] | json }}
    - queue: true
    - allow_fail: {{ rollout.get('allow_fail', 1000000) | json }}
    - require:
      - salt: rollout-wait
{%    endif %}
{%- endif %}
