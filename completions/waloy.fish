# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_waloy_global_optspecs
    string join \n to= json plain q/quiet v/verbose color= progress= log-format= utc bytes timeout= state-dir= allow-other-user no-input encrypt= passphrase-file= passphrase-command= key-file= key-slot= allow-kdf-cost endpoint= region= profile= path-style no-sign-request ca-bundle= sse= storage-class= concurrency= bwlimit= retries= h/help V/version
end

function __fish_waloy_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_waloy_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_waloy_using_subcommand
    set -l cmd (__fish_waloy_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c waloy -n "__fish_waloy_needs_command" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_needs_command" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_needs_command" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_needs_command" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_needs_command" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_needs_command" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_needs_command" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_needs_command" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_needs_command" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_needs_command" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_needs_command" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_needs_command" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_needs_command" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_needs_command" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_needs_command" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_needs_command" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_needs_command" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_needs_command" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_needs_command" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_needs_command" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_needs_command" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_needs_command" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_needs_command" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_needs_command" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_needs_command" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_needs_command" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_needs_command" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_needs_command" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_needs_command" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_needs_command" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_needs_command" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "replicate" -d 'Back up running databases, continuously'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "restore" -d 'Restore a database, to its latest state or to a past one'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "restore-to-time" -d 'Restore a database to a past state: the same as restore --time'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "generations" -d 'List what can be restored'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "inspect" -d 'Show one generation and its objects'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "verify" -d 'Prove that the backup can be restored and is fresh'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "compact" -d 'Merge small segments, so that a restore reads fewer objects'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "status" -d 'Tell whether replication is running, and how far it is'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "sync" -d 'Bring everything committed so far to the replica, and wait for that'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "prune" -d 'Let go of what need not be kept any longer'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "key" -d 'Make passphrases and keys, and change those of a replica'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "demo" -d 'Play the whole story on a sample database: replicate, make a mistake, lose everything, get it back'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "version" -d 'Show the versions of waloy and of the SQLite in it'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "man" -d 'Write the manual pages'
complete -c waloy -n "__fish_waloy_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l sync-interval -d 'The shortest time between two uploads' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l snapshot-interval -d 'Begin a new generation this often, if anything changed' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l retention -d 'Every moment of the last so long stays restorable; older generations are deleted, as by `waloy prune`, after each new generation and once an hour. `off` keeps all' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l keep -d 'Beyond that, the generation with the last point of so many days, weeks, months: daily=90,weekly=8,monthly=24' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l grace -d 'How long every single upload stays, and what is no longer needed for those who read it; nothing younger is deleted' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l compression -d 'How to compress: none, lz4, zstd (level 3; what is large, as a snapshot, level 1), or zstd:1 to zstd:19' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l checkpoint-threshold -d 'Size of the WAL above which it is checkpointed' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l checkpoint -d 'Who checkpoints' -r -f -a "auto\t'Waloy, when the WAL is above its threshold'
off\t'Only the application'"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l on-conflict -d 'What to do when another waloy has taken the prefix over' -r -f -a "stop\t'End, with exit code 11'
new-generation\t'Take it back with a new generation, once an hour at most'"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l once -d 'Bring the replica level once, and stop'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l set-wal -d 'Convert a database in rollback-journal mode to WAL mode; the change is permanent'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l wait-for-db -d 'Wait for a database that does not exist yet'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l restore-if-missing -d 'Restore a database that does not exist; if the store says that there is no backup of it, wait for it'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l snapshot -d 'Begin a new generation now, with a snapshot'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l adopt -d 'Go on at a prefix whose backup does not look like this database: with a new generation, marked `replaced`'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand replicate" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -s o -l output -d 'Where to restore to; `-`: to standard output, once it is proven [default: the path of the database; for a URL, its last part]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l check -d 'What to check before the file is put in its place, beyond every object and every page' -r -f -a "none\t'Nothing more, to save what can be saved'
checksum\t'That it is, as a whole, the database that was replicated'
quick\t'Also PRAGMA quick_check'
full\t'Also PRAGMA integrity_check'"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l anchor -d 'What the replica must reach, as `waloy inspect --anchor` printed it once: the line, or a file with it' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l mode -d 'The mode of the file, octal [default: 0600, or that of the file it replaces]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l owner -d 'The owner of the file: USER, USER:GROUP or :GROUP, names or numbers [default: who restores, or that of the file it replaces]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l time -d 'The state at this time: `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22T10:00:00Z`, `@1795341600`' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l generation -d 'A generation by its id, the beginning of it, or `latest`; with :INDEX or :snapshot a point of it' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l force -d 'Replace a database that is there; it is kept as FILE.pre-restore-TIME'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l discard-old -d 'With --force: delete the old database once the new one is in its place'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l if-missing -d 'Do nothing, successfully, if there is a file already'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l if-backup-exists -d 'Do nothing, successfully, if the storage answers that there is no backup'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l strict-time -d 'Refuse (exit 7) a time in a gap, in which no replicator ran or the store was out of reach, instead of taking the last state before it'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -s n -l dry-run -d 'Say what would be restored, and write nothing'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand restore" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -s o -l output -d 'Where to restore to; `-`: to standard output, once it is proven [default: the path of the database; for a URL, its last part]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l check -d 'What to check before the file is put in its place, beyond every object and every page' -r -f -a "none\t'Nothing more, to save what can be saved'
checksum\t'That it is, as a whole, the database that was replicated'
quick\t'Also PRAGMA quick_check'
full\t'Also PRAGMA integrity_check'"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l anchor -d 'What the replica must reach, as `waloy inspect --anchor` printed it once: the line, or a file with it' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l mode -d 'The mode of the file, octal [default: 0600, or that of the file it replaces]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l owner -d 'The owner of the file: USER, USER:GROUP or :GROUP, names or numbers [default: who restores, or that of the file it replaces]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l force -d 'Replace a database that is there; it is kept as FILE.pre-restore-TIME'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l discard-old -d 'With --force: delete the old database once the new one is in its place'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l if-missing -d 'Do nothing, successfully, if there is a file already'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l if-backup-exists -d 'Do nothing, successfully, if the storage answers that there is no backup'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l strict-time -d 'Refuse (exit 7) a time in a gap, in which no replicator ran or the store was out of reach, instead of taking the last state before it'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -s n -l dry-run -d 'Say what would be restored, and write nothing'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand restore-to-time" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l since -d 'Only those that reach to this time or beyond, as in restore --time' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l until -d 'Only those that begin at this time or before' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l limit -d 'At most so many, the newest' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l min-coverage -d 'Fail (exit 7) if the time from the first moment that can be restored to the last is shorter' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l all -d 'Also those of which nothing can be restored'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand generations" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l raw -d 'Show the decoded header of one object; keys as --objects lists them, or whole' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l objects -d 'List every object'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l anchor -d 'Print one line that says how far the replica reaches, to be kept elsewhere: `verify --anchor` and `restore --anchor` fail if the replica ever ends before it'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand inspect" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l read-data -d 'Read every object of every generation, or a part of them: all, n/t; N% (another part each day), daily/week, hourly/day' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l restore -d 'Also restore the latest state to a temporary directory and check it: quick, full' -r -f -a "quick\t'PRAGMA quick_check'
full\t'PRAGMA integrity_check'"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l max-age -d 'How old the newest confirmation may be; `off` for any [default: 24h for a database, off for a URL]' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l anchor -d 'What the replica must reach, as `waloy inspect --anchor` printed it once: the line, or a file with it' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l format -d 'Who reads the report' -r -f -a "text\t'People and cron: nothing if all is well and nobody looks on'
nagios\t'Nagios and its kin: one line with figures; exit codes 0 ok, 1 warning, 2 critical, 3 unknown'"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l quick -d 'Only what listings and the newest object tell'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand verify" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand compact" -s n -l dry-run -d 'Show what would be merged, and do nothing'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand compact" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand status" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand status" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand status" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand status" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand status" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand status" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand status" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand status" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand status" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand status" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand status" -l check -d 'Print nothing; exit 0 if all replicas follow their databases, less than a minute behind, 4 if one does not, 8 if a database is not there'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l watch -d 'Look again each second, until interrupted'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand status" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand status" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand status" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand status" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand sync" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l retention -d 'Every moment of the last so long stays restorable; `off` keeps all' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l keep -d 'Beyond that, the generation with the last point of so many days, weeks, months: daily=90,weekly=8,monthly=24' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l min-keep -d 'So many generations that can be restored stay in any case' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l grace -d 'How long every single upload stays, and what is no longer needed for those who read it; nothing younger goes' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l confirm-replacement -d 'Say that this generation rightly replaced another database: what was before it may go. Deletes nothing yet' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l orphans -d 'Also delete what is left of generations that have no snapshot'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -s n -l dry-run -d 'Say what would be deleted, and delete nothing'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -s y -l yes -d 'Do not ask'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand prune" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "generate" -d 'Make a passphrase that nobody can guess, or a key'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "list" -d 'List the slots and data keys of a replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "add" -d 'Add a passphrase or a key that opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "change" -d 'Put a new passphrase or key in the place of the one that opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "remove" -d 'Remove a slot: its passphrase or key no longer opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "rotate" -d 'Seal what comes with a new data key; with --root, after a leak, under a new root key'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "export-recovery" -d 'Write the recovery kit: it opens the replica when every passphrase is lost'
complete -c waloy -n "__fish_waloy_using_subcommand key; and not __fish_seen_subcommand_from generate list add change remove rotate export-recovery help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -s o -l output -d 'Write it into this file, mode 0600; a file that exists stays as it is' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l raw -d 'Make a key of 32 bytes instead; never to standard output'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from generate" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l new-passphrase-file -d 'The new passphrase is in this file, up to one newline at its end; `-` is standard input' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l new-key-file -d 'A new key of 32 bytes, instead of a passphrase' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l label -d 'What the slot is called, up to 32 bytes, for everybody to read who reads the bucket' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l new-passphrase-file -d 'The new passphrase is in this file, up to one newline at its end; `-` is standard input' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l new-key-file -d 'A new key of 32 bytes, instead of a passphrase' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l label -d 'What the slot is called, up to 32 bytes, for everybody to read who reads the bucket' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from change" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l unproven -d 'Do not open the replica first: whether anything that is left opens it, you know'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l new-passphrase-file -d 'The new passphrase is in this file, up to one newline at its end; `-` is standard input' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l new-key-file -d 'A new key of 32 bytes, instead of a passphrase' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l label -d 'What the slot is called, up to 32 bytes, for everybody to read who reads the bucket' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l root -d 'Make a new root key, after a passphrase, a key file or a recovery kit has leaked'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -s y -l yes -d 'Do not ask whether the other slots may go'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from rotate" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -s o -l output -d 'Write it into this file, mode 0600; a file that exists stays as it is' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from export-recovery" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "generate" -d 'Make a passphrase that nobody can guess, or a key'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the slots and data keys of a replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a passphrase or a key that opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "change" -d 'Put a new passphrase or key in the place of the one that opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a slot: its passphrase or key no longer opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Seal what comes with a new data key; with --root, after a leak, under a new root key'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "export-recovery" -d 'Write the recovery kit: it opens the replica when every passphrase is lost'
complete -c waloy -n "__fish_waloy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand demo" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand version" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand version" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand version" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand version" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand version" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand version" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand version" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand version" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand version" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand version" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand version" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand version" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand version" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand version" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand version" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand completions" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l dir -d 'Write one page a command into this directory, instead of the first to standard output' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l to -d 'The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand man" -l color -d 'When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l progress -d 'When to draw progress' -r -f -a "auto\t'On a terminal'
always\t'Also in a pipe'
never\t'Not at all'"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l log-format -d 'How to write the log on standard error' -r -f -a "auto\t'As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise'
pretty\t'Short lines for people'
logfmt\t'`ts=… level=… msg=… key=value`'
json\t'One object a line; warnings and errors too'"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l timeout -d 'Give up after this long (exit 9) [default: none; sync: 30s]' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l state-dir -d 'Where local state is kept [default: DB.waloy/state, beside the database]' -r -f -a "(__fish_complete_directories)"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l encrypt -d 'Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured' -r -f -a "auto\t'As soon as a passphrase or a key is configured'
required\t'Nothing is done without'
off\t'No passphrase and no key is looked for'"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l passphrase-file -d 'The passphrase is in this file, up to one newline at its end; `-` is standard input [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand man" -l passphrase-command -d 'This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]' -r -f -a "(__fish_complete_command)"
complete -c waloy -n "__fish_waloy_using_subcommand man" -l key-file -d 'A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand man" -l key-slot -d 'Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l endpoint -d 'The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l region -d 'The region [env: AWS_REGION]' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l profile -d 'The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l ca-bundle -d 'Trust the certificates of this file (PEM) instead of the system\'s [env: AWS_CA_BUNDLE]' -r -F
complete -c waloy -n "__fish_waloy_using_subcommand man" -l sse -d 'How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l storage-class -d 'The storage class of new objects; not an archive' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l concurrency -d 'Requests at the same time' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l bwlimit -d 'Bytes a second at most that are sent, and as many received: 10MiB/s, or off' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l retries -d 'How often a request is tried' -r
complete -c waloy -n "__fish_waloy_using_subcommand man" -l json -d 'Write JSON, one object a line'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l plain -d 'No colours, nothing but ASCII of waloy\'s own, no progress'
complete -c waloy -n "__fish_waloy_using_subcommand man" -s q -l quiet -d 'Say nothing but errors'
complete -c waloy -n "__fish_waloy_using_subcommand man" -s v -l verbose -d 'Say more; twice: still more [env: WALOY_LOG]'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l utc -d 'Show times in UTC, not in the local zone'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l bytes -d 'Show sizes in bytes'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l allow-other-user -d 'Open a database that belongs to another user'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l no-input -d 'Never ask: what would be asked is an error, or answered by a flag'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l allow-kdf-cost -d 'Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l path-style -d 'Put the bucket in the path of the URL [default: for every server but AWS]'
complete -c waloy -n "__fish_waloy_using_subcommand man" -l no-sign-request -d 'Send requests unsigned, for public buckets'
complete -c waloy -n "__fish_waloy_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waloy -n "__fish_waloy_using_subcommand man" -s V -l version -d 'Print version'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "replicate" -d 'Back up running databases, continuously'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "restore" -d 'Restore a database, to its latest state or to a past one'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "restore-to-time" -d 'Restore a database to a past state: the same as restore --time'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "generations" -d 'List what can be restored'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "inspect" -d 'Show one generation and its objects'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "verify" -d 'Prove that the backup can be restored and is fresh'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "compact" -d 'Merge small segments, so that a restore reads fewer objects'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "status" -d 'Tell whether replication is running, and how far it is'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "sync" -d 'Bring everything committed so far to the replica, and wait for that'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "prune" -d 'Let go of what need not be kept any longer'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "key" -d 'Make passphrases and keys, and change those of a replica'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "demo" -d 'Play the whole story on a sample database: replicate, make a mistake, lose everything, get it back'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "version" -d 'Show the versions of waloy and of the SQLite in it'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "completions" -d 'Print a completion script for a shell'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "man" -d 'Write the manual pages'
complete -c waloy -n "__fish_waloy_using_subcommand help; and not __fish_seen_subcommand_from replicate restore restore-to-time generations inspect verify compact status sync prune key demo version completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "generate" -d 'Make a passphrase that nobody can guess, or a key'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List the slots and data keys of a replica'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "add" -d 'Add a passphrase or a key that opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "change" -d 'Put a new passphrase or key in the place of the one that opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "remove" -d 'Remove a slot: its passphrase or key no longer opens the replica'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rotate" -d 'Seal what comes with a new data key; with --root, after a leak, under a new root key'
complete -c waloy -n "__fish_waloy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "export-recovery" -d 'Write the recovery kit: it opens the replica when every passphrase is lost'
