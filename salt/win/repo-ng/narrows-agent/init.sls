# The agent's MSI (agent/windows/build.sh), for `narrows:agent:package: narrows-agent` on Windows. Each version lies here.
narrows-agent:
  '0.1.0':
    full_name: Narrows agent
    installer: salt://win/repo-ng/narrows-agent/narrows-agent-0.1.0.msi
    install_flags: /qn /norestart
    uninstall_flags: /qn /norestart
    msiexec: true
    locale: en_US
    reboot: false
