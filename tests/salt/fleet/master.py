"""The Salt master, and how it is driven: jobs through LocalClient, runners as a command."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .network import Host
from .processes import Process, Trouble, run, wait_until

#: Paths below root_dir, which must be short: a unix socket's name has 107 bytes.
CONFIG = """root_dir: {root}
pki_dir: /pki
cachedir: /cache
sock_dir: /run
log_file: /log/master.log
pidfile: /run/master.pid
user: root
interface: {address}
publish_port: 14505
ret_port: 14506
auto_accept: true
worker_threads: 4
timeout: 20
gather_job_timeout: 10
file_roots: {{base: [{files}]}}
pillar_roots: {{base: [{pillar}]}}
log_level: warning
log_level_logfile: info
"""


@dataclass
class Job:
    """A job that was published."""

    fun: str
    jid: str
    minions: list[str]
    returns: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """Which minions did not do what they were told, and what they said. States that failed are named."""
        bad = {}
        for minion in self.minions:
            answer = self.returns.get(minion)
            if answer is None:
                bad[minion] = "no answer"
            elif isinstance(answer.get("ret"), dict) and self.fun.startswith("state."):
                states = [s for s in answer["ret"].values() if isinstance(s, dict) and s.get("result") is False]
                words = [f"{state.get('__id__', state.get('name'))}: {state.get('comment')}" for state in states]
                if words:
                    bad[minion] = "; ".join(words)
            elif answer.get("retcode") or (self.fun.startswith("state.") and not isinstance(answer["ret"], dict)):
                bad[minion] = str(answer.get("ret"))
        return bad

    def values(self) -> dict[str, Any]:
        """What each minion returned."""
        return {minion: answer.get("ret") for minion, answer in self.returns.items()}


class Master:
    """A salt-master at a host."""

    def __init__(self, host: Host, folder: Path, venv: Path, path: str):
        self.host = host
        self.folder = folder
        self.venv = venv
        self.files = folder / "srv/salt"
        self.pillar = folder / "srv/pillar"
        self.config = folder / "etc"
        self._env = {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "HOME": str(folder)}
        self._process: Process | None = None
        self._client: Process | None = None

    def prepare(self, formula: Path) -> None:
        """Writes its configuration; the formula is put into file_roots as it is."""
        for place in (self.config, self.folder / "log", self.folder / "run", self.pillar):
            place.mkdir(parents=True)
        shutil.copytree(formula, self.files, ignore=shutil.ignore_patterns("__pycache__"))
        text = CONFIG.format(root=self.folder, address=self.host.address, files=self.files, pillar=self.pillar)
        (self.config / "master").write_text(text)

    def _within(self, *line: str) -> list[str]:
        return ["nsenter", f"--net={self.host.netns}", *line]

    def start(self) -> None:
        """Starts it, and the process that asks it."""
        line = self._within(str(self.venv / "bin/salt-master"), "-c", str(self.config))
        self._process = Process("salt-master", line, self.folder / "log/master.out", env=self._env)
        wait_until("salt-master listens", self._listens, 60)
        program = str(Path(__file__).with_name("salt_client.py"))
        # -P: the folder of this package is not where its modules come from
        line = self._within(str(self.venv / "bin/python"), "-P", program, str(self.config / "master"))
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": self._env}
        self._client = Process("salt client", line, self.folder / "log/client.out", **pipe)

    def _listens(self) -> bool:
        if self._process:
            self._process.check()
        sockets = run(["ip", "netns", "exec", self.host.name, "cat", "/proc/net/tcp"])
        ports = {line.split()[1].split(":")[1] for line in sockets.splitlines()[1:] if line.split()[3] == "0A"}
        return {f"{14505:04X}", f"{14506:04X}"} <= ports and any((self.folder / "run").glob("*.ipc"))

    def _ask(self, seconds: float = 60, **question: Any) -> Any:
        assert self._client, "the master is started"
        popen = self._client.popen
        assert popen.stdin and popen.stdout
        self._client.check()
        popen.stdin.write(json.dumps(question) + "\n")
        popen.stdin.flush()
        ready, _, _ = select.select([popen.stdout], [], [], seconds)
        line = popen.stdout.readline() if ready else ""
        if not line:
            raise Trouble(f"salt client: no answer to {question} within {seconds:.0f} s: {self._client.tail()}")
        reply = json.loads(line)
        if "error" in reply:
            raise Trouble(f"salt client: {question.get('fun', '')}: {reply['error']}")
        return reply["answer"]

    def begin(self, tgt: str | list[str], fun: str, *arg: Any, **kwarg: Any) -> Job:
        """Publishes a job and does not wait for it. ``tgt`` is a glob or a list of minions."""
        kind = "glob" if isinstance(tgt, str) else "list"
        question = {"tgt": tgt, "tgt_type": kind, "fun": fun, "arg": list(arg), "kwarg": kwarg, "timeout": 20}
        started = self._ask(do="start", **question)
        if not started["jid"] or not started["minions"]:
            raise Trouble(f"no minion was told {fun} (target {tgt})")
        return Job(fun, started["jid"], sorted(started["minions"]))

    def collect(self, job: Job) -> bool:
        """Looks at what has come back; whether that is everything."""
        job.returns = self._ask(do="returns", jid=job.jid)
        return set(job.minions) <= set(job.returns)

    def finish(self, job: Job, seconds: float) -> Job:
        """Waits for all minions of a job, and complains if one does not answer or fails."""
        deadline = time.monotonic() + seconds
        try:
            wait_until(job.fun, lambda: self.collect(job), seconds)
        except Trouble:
            pass  # who has not answered is among those that failed
        if job.failed:
            words = "\n".join(f"  {minion}: {why}" for minion, why in sorted(job.failed.items()))
            late = " in time" if time.monotonic() > deadline else ""
            raise Trouble(f"`{job.fun}` did not succeed{late} on:\n{words}")
        return job

    def do(self, tgt: str | list[str], fun: str, *arg: Any, seconds: float = 60, **kwarg: Any) -> dict[str, Any]:
        """Runs a function on minions and returns what each returned; complains if one does not."""
        return self.finish(self.begin(tgt, fun, *arg, **kwarg), seconds).values()

    def run(self, fun: str, *arg: str, seconds: float = 120) -> Any:
        """``salt-run``: its JSON."""
        line = self._within(str(self.venv / "bin/salt-run"), "-c", str(self.config), "--out=json", fun, *arg)
        try:
            output = run(line, seconds, env=self._env)
        except Trouble as trouble:
            # a runner's error is a JSON string with a traceback, whose last line says it
            words = str(trouble).replace("\\n", "\n").strip().strip('"').strip().splitlines()
            raise Trouble(f"`salt-run {fun}` failed: {words[-1]}") from trouble
        # what it says on the way comes first, an object each
        decoder, answer, place = json.JSONDecoder(), None, 0
        try:
            while place < len(output.rstrip()):
                place += len(output[place:]) - len(output[place:].lstrip())
                answer, place = decoder.raw_decode(output, place)
        except ValueError as error:
            raise Trouble(f"salt-run {fun} answered no JSON: {output}") from error
        return answer

    def accepted(self) -> set[str]:
        """The minions whose keys it has."""
        folder = self.folder / "pki/minions"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def tail(self) -> str:
        """The last of its log, without what is only information."""
        log = self.folder / "log/master.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join([line for line in lines if "[INFO " not in line][-40:])

    def end(self) -> None:
        """Ends both processes."""
        for process in (self._client, self._process):
            if process:
                process.end()
