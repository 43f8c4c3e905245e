"""Real servers for tests: each function starts one and returns its Process, ready to be asked.

A server is started through run: a function (words, **options) -> Process, such as Namespace.spawn
for the namespace's own stack, or one that puts `naru run ... --` in front.  Configuration and data
stay in where, a directory of the test.
"""

import os
import pathlib
import shutil
import subprocess


def python_http(run, where, port, address="::"):
    """python3 -m http.server, one thread per connection; :: is both families."""
    return run(["/usr/bin/python3", "-m", "http.server", "--bind", address, "-d", where, port])


def nginx(run, where, port, workers=1):
    """nginx on both families; serves where/html, takes PUT there; its pid is in where/nginx.pid."""
    where = pathlib.Path(where)
    (where / "html").mkdir(exist_ok=True)
    (where / "nginx.conf").write_text(f"""
        daemon off;
        user root;
        worker_processes {workers};
        worker_shutdown_timeout 20s;
        pid {where}/nginx.pid;
        error_log stderr warn;
        events {{ worker_connections 1024; }}
        http {{
            access_log off;
            sendfile on;
            keepalive_requests 100000;
            client_max_body_size 0;
            dav_methods PUT;
            client_body_temp_path {where}/body;
            proxy_temp_path {where}/proxy;
            fastcgi_temp_path {where}/fastcgi;
            uwsgi_temp_path {where}/uwsgi;
            scgi_temp_path {where}/scgi;
            server {{
                listen 0.0.0.0:{port} backlog=1024;
                listen [::]:{port} ipv6only=on backlog=1024;
                root {where}/html;
            }}
        }}
        """, encoding="utf-8")
    return run(["nginx", "-e", "stderr", "-c", where / "nginx.conf"])


def ssh_key(where):
    """A key pair in where/key, its public half allowed to log in."""
    where = pathlib.Path(where)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(where / "key")],
                   check=True)
    shutil.copy(where / "key.pub", where / "authorized")


def sshd(run, where, port, address):
    """sshd for root with the key of ssh_key, and for nobody else."""
    where = pathlib.Path(where)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(where / "host")],
                   check=True)
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    (where / "sshd.conf").write_text(f"""
        Port {port}
        ListenAddress {address}
        HostKey {where}/host
        PidFile none
        AuthorizedKeysFile {where}/authorized
        StrictModes no
        PermitRootLogin prohibit-password
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        UsePAM no
        UseDNS no
        """.replace("        ", ""), encoding="utf-8")
    return run([shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", where / "sshd.conf"])


def ssh_words(where, port, address, *command):
    """The ssh client's command line that goes with sshd above."""
    return ["ssh", "-F", "none", "-p", port, "-i", pathlib.Path(where) / "key",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", f"root@{address}", *command]


def git_repository(where, size):
    """A bare repository where/repo.git with one file of that size."""
    where = pathlib.Path(where)
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null",
               GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@example.org",
               GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@example.org")
    work = where / "work"
    work.mkdir()
    (work / "file").write_bytes(os.urandom(size))
    for words in (["init", "-q", "-b", "main"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=work, env=env, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(where / "repo.git")], env=env,
                   check=True)


def git_daemon(run, where, port, address):
    return run(["git", "daemon", "--reuseaddr", "--export-all", f"--base-path={where}",
                f"--listen={address}", f"--port={port}", str(where)])


def unbound(run, where, port, address, records):
    """unbound with these local records, asking nobody else."""
    where = pathlib.Path(where)
    data = "\n".join(f"            local-data: '{record}'" for record in records)
    (where / "unbound.conf").write_text(f"""
        server:
            interface: {address}
            port: {port}
            access-control: 0.0.0.0/0 allow
            access-control: ::/0 allow
            do-daemonize: no
            use-syslog: no
            chroot: ""
            directory: "{where}"
            username: ""
            pidfile: ""
            module-config: "iterator"
            local-zone: "example.test." static
{data}
        remote-control:
            control-enable: no
        """, encoding="utf-8")
    return run([shutil.which("unbound") or "/usr/sbin/unbound", "-d", "-c", where / "unbound.conf"])
