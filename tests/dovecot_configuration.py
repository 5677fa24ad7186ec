"""The test Dovecot's configuration, in the form of 2.3 (Debian 12) and that of 2.4 (Debian 13)."""

import grp
import os
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers import DovecotServer

FOLDERS = {"Junk": r"\Junk", "Archive": r"\Archive", "Sent": r"\Sent", "Drafts": r"\Drafts"}


def dovecot_configuration(server: "DovecotServer") -> str:
    """Return the configuration in the form that the installed version reads."""
    form = DOVECOT_2_3 if server.version() < (2, 4) else DOVECOT_2_4
    if os.geteuid() == 0:
        users = ""
    else:
        users = "\n".join(
            f"{setting} = {name}"
            for setting, name in (
                ("default_internal_user", server.owner.pw_name),
                ("default_login_user", server.owner.pw_name),
                ("default_internal_group", grp.getgrgid(server.owner.pw_gid).gr_name),
            )
        )
    mailboxes = "\n".join(
        f"  mailbox {name} {{\n    auto = subscribe\n    special_use = {use}\n  }}"
        for name, use in FOLDERS.items()
    )
    return form.format(
        tokens=_tokens(server),
        base=server.folder,
        port=server.port,
        tls_port=server.tls_port,
        uid=server.owner.pw_uid,
        gid=server.owner.pw_gid,
        password=server.password,
        users=users,
        mailboxes=mailboxes,
        version=".".join(str(number) for number in server.version()[:3]),
    )


def _tokens(server: "DovecotServer") -> str:
    """Return the check of OAuth 2 tokens, and write the key that it needs."""
    if server.token_key is None:
        return ""
    folder = server.folder / "keys" / "default" / "HS256"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "default").write_bytes(b64encode(server.token_key))
    if server.version() >= (2, 4):
        return TOKENS_2_4.format(base=server.folder)
    (server.folder / "tokens.conf").write_text(TOKENS_2_3.format(base=server.folder))
    passdb = "passdb {{\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = {base}/tokens.conf\n}}"
    return MECHANISMS + NO_PENALTY + passdb.format(base=server.folder)


MECHANISMS = "auth_mechanisms = plain login xoauth2 oauthbearer\nauth_failure_delay = 0\n"
NO_PENALTY = "service anvil {\n unix_listener anvil-auth-penalty {\n  mode = 0\n }\n}\n"

TOKENS_2_3 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={base}/keys/
username_attribute = sub
"""

TOKENS_2_4 = (
    MECHANISMS
    + """
oauth2 {{
  introspection_mode = local
  username_attribute = sub
  oauth2_local_validation {{
    dict fs {{
      fs posix {{
        prefix = {base}/keys/
      }}
    }}
  }}
}}
"""
)

SHARED = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain login
first_valid_uid = 1
mailbox_list_index = no
maildir_very_dirty_syncs = no
mail_max_userip_connections = 50
{users}
{tokens}
namespace inbox {{
  inbox = yes
  separator = /
{mailboxes}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""

DOVECOT_2_3 = (
    """
protocols = imap
ssl_cert = <{base}/server.pem
ssl_key = <{base}/server.pem
disable_plaintext_auth = no
mail_location = maildir:{base}/mail/%u
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/home/%u
}}
"""
    + SHARED
)

DOVECOT_2_4 = (
    """
dovecot_config_version = {version}
dovecot_storage_version = {version}
protocols = imap
ssl_server_cert_file = {base}/server.pem
ssl_server_key_file = {base}/server.pem
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {base}/mail/%{{user}}
passdb static {{
  password = {password}
}}
userdb static {{
  fields {{
    uid = {uid}
    gid = {gid}
    home = {base}/home/%{{user}}
  }}
}}
"""
    + SHARED
)
