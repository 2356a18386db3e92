//! What stands in every manual page behind the options: exit status, environment, files, further reading.

use super::exit;

/// Variables, and what they mean. Those that are set to nothing count as unset.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    ("WALOY_DEST", "the replica, as --to"),
    ("WALOY_S3_BUCKET, WALOY_S3_PREFIX", "the replica, in two parts, where WALOY_DEST is not set"),
    ("WALOY_S3_ENDPOINT, WALOY_S3_REGION, WALOY_S3_PATH_STYLE", "as --endpoint, --region, --path-style"),
    ("WALOY_S3_CA_BUNDLE, WALOY_S3_SSE, WALOY_S3_STORAGE_CLASS", "as --ca-bundle, --sse, --storage-class"),
    ("WALOY_S3_ACCESS_KEY, WALOY_S3_SECRET_KEY", "credentials, past the chain of AWS"),
    ("WALOY_S3_ACCESS_KEY_FILE, WALOY_S3_SECRET_KEY_FILE", "files with these, as container platforms mount secrets"),
    ("WALOY_ENCRYPT, WALOY_PASSPHRASE_COMMAND, WALOY_KEY_FILE", "as --encrypt, --passphrase-command, --key-file"),
    (
        "WALOY_PASSPHRASE_FILE, WALOY_PASSPHRASE_FD",
        "as --passphrase-file; the second is the number of a descriptor that waloy is started with",
    ),
    ("WALOY_PASSPHRASE", "the passphrase itself; a file is better, since others may see variables"),
    (
        "CREDENTIALS_DIRECTORY",
        "where systemd keeps what it hands over: its waloy-passphrase comes before WALOY_PASSPHRASE",
    ),
    ("WALOY_NO_INPUT", "as --no-input"),
    ("WALOY_STATE_DIR", "where local state is kept, as --state-dir"),
    ("WALOY_SYNC_INTERVAL, WALOY_COMPRESSION", "as --sync-interval and --compression of replicate"),
    ("WALOY_RETENTION", "as --retention of prune and replicate"),
    ("WALOY_MAX_AGE", "as --max-age of verify"),
    (
        "WALOY_LOG",
        "what is logged: a level (error, warn, info, debug, trace), or directives as waloy::engine=trace,warn",
    ),
    ("WALOY_LOG_FORMAT, WALOY_COLOR, WALOY_PROGRESS", "as --log-format, --color, --progress"),
    (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_REGION",
        "credentials, profile and region, as every tool of AWS reads them; so do AWS_DEFAULT_REGION, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, the variables of web identity (AWS_WEB_IDENTITY_TOKEN_FILE), of containers (AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) and of the metadata service",
    ),
    ("AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL", "the server, where --endpoint is not given"),
    ("AWS_CA_BUNDLE", "the certificates to trust, where --ca-bundle is not given"),
    ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE", "proxies, and the certificates of the system"),
    ("NO_COLOR, CLICOLOR, CLICOLOR_FORCE, FORCE_COLOR, TERM", "whether to use colours"),
    ("COLUMNS, LC_ALL, LC_CTYPE, LANG, TZ", "width, characters and time zone of what is shown"),
    ("TMPDIR", "where large parts of an upload, and databases that verify restores, are kept for a while"),
];

/// Files, and what is in them.
const FILES: &[(&str, &str)] = &[
    ("DB.waloy/state/", "local state of the replication of DB; losing it costs a new generation, never data"),
    ("DB.waloy/replica/", "the replica, where no destination is given"),
    ("DB.pre-restore-TIME", "the old database, after a restore over it with --force"),
    ("~/.aws/config, ~/.aws/credentials", "profiles of AWS"),
];

/// The sections, in the language of manual pages; environment and files are told by the first page alone.
pub(super) fn sections(pages: &[String], first: bool) -> String {
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    for line in exit::HELP.lines().skip(1) {
        if let Some((code, meaning)) = line.trim().split_once("  ") {
            text += &format!(".TP\n\\fB{code}\\fR\n{}\n", escaped(meaning));
        } else if let Some((code, meaning)) = line.trim().split_once(' ') {
            text += &format!(".TP\n\\fB{code}\\fR\n{}\n", escaped(meaning));
        }
    }
    let told_once = [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)];
    for (name, rows) in told_once.into_iter().filter(|_| first) {
        text += &format!(".SH {name}\n");
        for (term, meaning) in rows {
            text += &format!(".TP\n\\fB{}\\fR\n{}\n", escaped(term), escaped(meaning));
        }
    }
    text += ".SH \"SEE ALSO\"\n";
    text += &pages.iter().map(|page| escaped(page)).collect::<Vec<_>>().join(", ");
    text + "\n"
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-").replace('~', "\\(ti")
}
