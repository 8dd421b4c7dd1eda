/* commands.c - the table of commands and their options. Help, the manual and docs/cli.md are made of it. */
#include "cli/cli_private.h"
#include "model/choice.h"
#include "model/hook.h"
#include "model/rows.h"
#include "model/rules.h"

#define AT(member) offsetof(struct cli_opts, member)
#define LINES(a) (a), ARRAY_LEN(a)
#define TOKEN_DAYS_MAX 3650

/* clang-format off */
const struct option_row global_options[] = {
    {"url",   0, "URL", OPTION_TEXT, AT(url), NULL, 0, 0, "WRATA_URL",
     "the server to talk to; without it the one that runs on the data folder"},
    {"ca",    0, "FILE", OPTION_TEXT, AT(ca), NULL, 0, 0, "WRATA_CA",
     "certificates (PEM) of the authorities to believe when --url is https; default: those of this computer"},
    {"data",  0, "DIR", OPTION_TEXT, AT(data), NULL, 0, 0, "WRATA_DATA",
     "the data folder; default $XDG_DATA_HOME/wrata, else ~/.local/share/wrata"},
    {"color", 0, "auto|always|never", OPTION_CHOICE, AT(color), "auto", 0, 0, NULL,
     "colours; NO_COLOR in the environment turns them off, too"},
    {"json",  0, NULL, OPTION_FLAG, AT(json), NULL, 0, 0, NULL,
     "print JSON and nothing else on standard output"},
    {"help",  'h', NULL, OPTION_FLAG, AT(help), NULL, 0, 0, NULL,
     "show the help of a command"},
};
const size_t n_global_options = ARRAY_LEN(global_options);

static const struct option_row run_options[] = {
    {"dir",       0, "DIR", OPTION_TEXT, AT(dir), NULL, 0, 0, NULL,
     "run the files of this folder as they are now, uncommitted changes included (this is the default, with DIR .)"},
    {"project",   'p', "URL|NAME", OPTION_TEXT, AT(project), NULL, 0, 0, NULL,
     "run the files of a git repository that the server knows or can reach, instead of a folder of yours"},
    {"ref",       'r', "REF", OPTION_TEXT, AT(ref), NULL, 0, 0, NULL,
     "branch, tag or commit of --project; default: its main branch"},
    {"slots",     's', "N", OPTION_NUMBER, AT(slots), NULL, 1, SERVER_SLOTS_MAX, NULL,
     "run N files at a time; default: all slots there are"},
    {"servers",   0, "NAME,NAME", OPTION_TEXT, AT(servers), NULL, 0, 0, NULL,
     "run on these servers only"},
    {"per-server", 0, "N", OPTION_NUMBER, AT(per_server), NULL, 1, SERVER_SLOTS_MAX, NULL,
     "at most N files of the project at a time on one server, whoever started them; default: what wrata.yml says"},
    {"order",     0, "finish-soonest|as-given", OPTION_CHOICE, AT(order), "finish-soonest", 0, 0, NULL,
     "which file goes first: the one that took longest the last time, or the first one named"},
    {"timeout",   't', "DURATION", OPTION_DURATION, AT(timeout_ms), NULL, 0, 0, NULL,
     "stop a file that runs longer; 0: no limit; default: the server's, usually 1h"},
    {"silence",   0, "DURATION", OPTION_DURATION, AT(silence_ms), NULL, 0, 0, NULL,
     "stop a file that prints nothing for so long; 0: no limit; default: the server's, usually none"},
    {"retries",   0, "N", OPTION_NUMBER, AT(retries), NULL, 0, LAUNCH_RETRIES_MAX, NULL,
     "how often a file is run again when its machine was lost; default: the server's, usually 2; a failed test is never"
     " run again by itself"},
    {"env",       'e', "NAME=VALUE", OPTION_LIST, AT(env), NULL, 0, 0, NULL,
     "set a variable for every file; may be repeated"},
    {"location",  0, "NAME|URL", OPTION_TEXT, AT(location), NULL, 0, 0, NULL,
     "the server under test: SPEC_REGION; `wrata locations` lists them; of an URL also SPEC_SERVER_IP; default: the preset"},
    {"language",  0, "LANGUAGE", OPTION_LIST, AT(languages), NULL, 0, 0, NULL,
     "run every file in this language: SPEC_LANGUAGE; may be repeated: in each of them; default: the preset"},
    {"browser",   0, "BROWSER", OPTION_LIST, AT(browsers), NULL, 0, 0, NULL,
     "run every file, in each language, in this browser: SPEC_BROWSER; may be repeated; default: the preset"},
    {"at",        0, "front|end", OPTION_CHOICE, AT(at), "end", 0, 0, NULL,
     "where the files stand in your queue: before what waits there already, or behind it"},
    {"name",      'n', "TEXT", OPTION_TEXT, AT(name), NULL, 0, 0, NULL,
     "a name for the launch, shown in lists"},
    {"junit",     'j', "FILE", OPTION_TEXT, AT(junit), NULL, 0, 0, NULL,
     "write the results as JUnit XML"},
    {"artifacts", 0, "GLOB", OPTION_LIST, AT(artifacts), NULL, 0, 0, NULL,
     "keep the files of the project's folder that fit, after each run, beside those that wrata.yml names; may be repeated"},
    {"artifacts-dir", 0, "DIR", OPTION_TEXT, AT(artifacts_dir), NULL, 0, 0, NULL,
     "at the end, bring the files that were kept below DIR, in a folder for each run"},
    {"mail",      0, "choice|never|failed|always", OPTION_CHOICE, AT(mail), NULL, 0, 0, NULL,
     "when you get a mail about its end; choice: as your account says; default: never, for you see it here; with"
     " --no-follow: choice"},
    {"no-follow", 0, NULL, OPTION_FLAG, AT(no_follow), NULL, 0, 0, NULL,
     "start the launch, print its number and do not wait for it"},
    {"dry-run", 0, NULL, OPTION_FLAG, AT(dry_run), NULL, 0, 0, NULL,
     "start nothing: print for each file its command, where the result is read from, and its limits"},
};
static const struct option_row log_options[] = {
    {"follow", 'f', NULL, OPTION_FLAG, AT(follow), NULL, 0, 0, NULL,
     "go on until the run ends"},
    {"from",   0, "BYTE", OPTION_NUMBER, AT(from), "0", 0, INT64_MAX, NULL,
     "begin at this byte of the log"},
    {"tail",   'n', "N", OPTION_NUMBER, AT(tail), "0", 0, 1000000000, NULL,
     "only the last N lines, and with --follow what comes"},
    {"lines",  0, "A-B", OPTION_TEXT, AT(lines), NULL, 0, 0, NULL,
     "only these lines: 12, 10-20 or 10-; they count from 1"},
    {"grep",   'g', "TEXT", OPTION_TEXT, AT(grep), NULL, 0, 0, NULL,
     "only the lines that hold TEXT, each with its number"},
    {"regex",  'E', "EXPR", OPTION_TEXT, AT(regex), NULL, 0, 0, NULL,
     "the same for an expression (PCRE2), tried on each line alone"},
    {"ignore-case", 'i', NULL, OPTION_FLAG, AT(ignore_case), NULL, 0, 0, NULL,
     "--grep, --regex: capitals never count; without it they do when there is one in what is sought"},
    {"times",  0, NULL, OPTION_FLAG, AT(times), NULL, 0, 0, NULL,
     "in front of each line the time of day at which it was printed"},
    {"raw",    0, NULL, OPTION_FLAG, AT(raw), NULL, 0, 0, NULL,
     "exactly the bytes that were printed; refused when they would go to a terminal"},
};
static const struct option_row artifacts_options[] = {
    {"download", 'd', "DIR", OPTION_TEXT, AT(download), NULL, 0, 0, NULL,
     "bring them below DIR; those of a launch in a folder for each run"},
    {"zip",      'z', "FILE", OPTION_TEXT, AT(zip), NULL, 0, 0, NULL, "bring them as one zip"},
};
static const struct option_row compare_options[] = {
    {"with", 'w', "LAUNCH", OPTION_TEXT, AT(with), NULL, 0, 0, NULL,
     "the launch to compare with; default: the last one like it"},
};
static const struct option_row flaky_options[] = {
    {"ref",  0,   "REF", OPTION_TEXT, AT(ref), NULL, 0, 0, NULL, "only launches of this branch, tag or commit, as it was named"},
    {"days", 'd', "N",   OPTION_NUMBER, AT(days), "14", 1, 3650, NULL, "within so many days"},
    {"all",  'a', NULL,  OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "also what changes again and again from commit to commit"},
};
static const struct option_row slowest_options[] = {
    {"examples", 'e', NULL,  OPTION_FLAG, AT(examples), NULL, 0, 0, NULL, "examples instead of files"},
    {"ref",      0,   "REF", OPTION_TEXT, AT(ref), NULL, 0, 0, NULL, "only launches of this branch, tag or commit, as it was named"},
    {"limit",    'l', "N",   OPTION_NUMBER, AT(limit), "20", 1, 200, NULL, "how many"},
};
static const struct option_row launches_options[] = {
    {"limit", 'l', "N", OPTION_NUMBER, AT(limit), "20", 1, 500, NULL, "how many, newest first"},
};
static const struct option_row queue_options[] = {
    {"user",       0, "LOGIN", OPTION_TEXT, AT(user), NULL, 0, 0, NULL, "whose queue, for admins; default: your own"},
    {"before",     0, "ID", OPTION_TEXT, AT(before), NULL, 0, 0, NULL, "move: to stand before this test"},
    {"front",      0, NULL, OPTION_FLAG, AT(front), NULL, 0, 0, NULL, "move: to the front"},
    {"end",        0, NULL, OPTION_FLAG, AT(end), NULL, 0, 0, NULL, "move: to the end"},
    {"if-version", 0, "N", OPTION_NUMBER, AT(if_version), NULL, 1, INT64_MAX, NULL,
     "change it only when nobody did since `wrata queue --json` said this \"version\""},
    {"limit",      'l', "N", OPTION_NUMBER, AT(limit), "50", 1, LAUNCH_TESTS_MAX, NULL, "list: how many, first to run first"},
};
static const struct option_row retest_options[] = {
    {"all",       'a', NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "all its tests, also those that passed"},
    {"failed-examples", 'x', NULL, OPTION_FLAG, AT(failed_examples), NULL, 0, 0, NULL,
     "of the files that did not pass only the examples that failed, by their ids (RSpec); other files run whole"},
    {"fresh",     0, NULL, OPTION_FLAG, AT(fresh), NULL, 0, 0, NULL,
     "at what its branch or tag is now; default: at the same commit"},
    {"mail",      0, "choice|never|failed|always", OPTION_CHOICE, AT(mail), NULL, 0, 0, NULL,
     "when you get a mail about its end; choice: as your account says; default: never, for you see it here; with"
     " --no-follow: choice"},
    {"no-follow", 0, NULL, OPTION_FLAG, AT(no_follow), NULL, 0, 0, NULL,
     "start the launch, print its number and do not wait for it"},
};
static const struct option_row history_options[] = {
    {"user",     'u', "LOGIN", OPTION_TEXT, AT(user), NULL, 0, 0, NULL, "of launches that this one started; a deleted account by its number: '#12'"},
    {"project",  'p', "NAME", OPTION_TEXT, AT(project), NULL, 0, 0, NULL, "of this project; a removed one by its number"},
    {"ref",      'r', "REF", OPTION_TEXT, AT(ref), NULL, 0, 0, NULL, "of launches of this branch, tag or commit, as it was named; '' of those that named none"},
    {"file",     'f', "PATH", OPTION_TEXT, AT(file), NULL, 0, 0, NULL, "of exactly this file"},
    {"path",     0, "WORDS", OPTION_TEXT, AT(words), NULL, 0, 0, NULL, "of files whose path contains these words, whatever their case"},
    {"language", 0, "LANGUAGE", OPTION_TEXT, AT(run_language), NULL, 0, 0, NULL, "in this language"},
    {"browser",  0, "BROWSER", OPTION_TEXT, AT(run_browser), NULL, 0, 0, NULL, "in this browser"},
    {"server",   's', "NAME", OPTION_TEXT, AT(server), NULL, 0, 0, NULL, "on this server; a removed one by its number"},
    {"launch",   0, "LAUNCH", OPTION_TEXT, AT(launch), NULL, 0, 0, NULL, "of this launch"},
    {"outcome",  0, "OUTCOME,...", OPTION_TEXT, AT(outcome), NULL, 0, 0, NULL,
     "that came to one of these: passed, failed, error, no_tests, timed_out, stopped, infrastructure"},
    {"state",    0, "STATE", OPTION_TEXT, AT(state), NULL, 0, 0, NULL, "in this state: assigned, preparing, running, stopping, done, lost"},
    {"since",    0, "TIME|DURATION", OPTION_TEXT, AT(since), NULL, 0, 0, NULL,
     "made at this time (UTC) or later: 2026-11-23, 2026-11-23T02:49Z, or not longer ago than 2h, 7d"},
    {"until",    0, "TIME|DURATION", OPTION_TEXT, AT(until), NULL, 0, 0, NULL, "made before this time"},
    {"limit",    'l', "N", OPTION_NUMBER, AT(limit), "50", 1, 10000, NULL, "list: how many, newest first"},
    {"csv",      0, NULL, OPTION_FLAG, AT(csv), NULL, 0, 0, NULL, "list: print all that fit as CSV, whatever --limit says"},
    {"format",   0, "json|csv|junit", OPTION_CHOICE, AT(format), "json", 0, 0, NULL, "export: what to write; junit: a suite for each run that is over"},
    {"output",   'o', "FILE", OPTION_TEXT, AT(output), NULL, 0, 0, NULL, "export, logs: write to FILE, which appears when it is whole"},
    {"dry-run",   0, NULL, OPTION_FLAG, AT(dry_run), NULL, 0, 0, NULL, "prune: delete nothing, say what would go"},
    {"all",       'a', NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "clear: all of your history"},
    {"everybody", 0, NULL, OPTION_FLAG, AT(everybody), NULL, 0, 0, NULL, "clear: of all users, as an admin"},
    {"no-follow", 0, NULL, OPTION_FLAG, AT(no_follow), NULL, 0, 0, NULL, "delete, clear: do not wait for the end of a job"},
};
static const struct option_row show_options[] = {
    {"all", 'a', NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "also the files that passed"},
};
static const struct option_row servers_options[] = {
    {"fleet",    0, "FLEET", OPTION_TEXT, AT(fleet), NULL, 0, 0, NULL,
     "add: local, ssh, or one that makes machines (`wrata fleets`); default: ssh with --address, else local"},
    {"address",  0, "HOST", OPTION_TEXT, AT(address), NULL, 0, 0, NULL,
     "add, edit: host name, address, or an alias of your ~/.ssh/config"},
    {"user",     0, "USER", OPTION_TEXT, AT(user), NULL, 0, 0, NULL, "add, edit: login name; default: what ssh chooses"},
    {"port",     0, "PORT", OPTION_NUMBER, AT(port), NULL, 1, 65535, NULL, "add, edit: ssh port; default: what ssh chooses"},
    {"identity", 0, "FILE", OPTION_TEXT, AT(identity), NULL, 0, 0, NULL,
     "add, edit: private key; default: what ssh chooses"},
    {"slots",    's', "N", OPTION_NUMBER, AT(slots), NULL, 1, SERVER_SLOTS_MAX, NULL,
     "add, edit: how many files it runs at a time; default: 1"},
    {"rename",   0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL,
     "edit: another name, unless it is local; history keeps the old one"},
    {"force",    0, NULL, OPTION_FLAG, AT(force), NULL, 0, 0, NULL,
     "remove, off: even while files run there; they are run again elsewhere"},
    {"machine",  0, "refuse|destroy|keep", OPTION_CHOICE, AT(machine), "refuse", 0, 0, NULL,
     "remove: what becomes of a machine that was made for it: `keep` leaves it running, whatever it costs"},
    {"size",     0, "SIZE", OPTION_TEXT, AT(size), NULL, 0, 0, NULL,
     "on: of the machine; `wrata fleets catalog` lists them; default: the fleet's own"},
    {"wait",     'w', NULL, OPTION_FLAG, AT(wait), NULL, 0, 0, NULL,
     "on: until all are ready; the exit code is 3 when one is not"},
};
static const struct option_row fleets_options[] = {
    {"kind",     0, "digitalocean|command|fake", OPTION_CHOICE, AT(kind), NULL, 0, 0, NULL, "add: where its machines come from"},
    {"option",   'o', "NAME=VALUE", OPTION_LIST, AT(options), NULL, 0, 0, NULL,
     "add, edit: of its kind, see docs/fleets.md; NAME= takes it away; may be repeated"},
    {"machines-max", 0, "N", OPTION_NUMBER, AT(machines_max), NULL, 0, SERVERS_MAX, NULL,
     "add, edit: so many machines at once, at most; 0: any number (default)"},
    {"day-usd-max", 0, "DOLLARS", OPTION_TEXT, AT(day_usd), NULL, 0, 0, NULL,
     "add, edit: what its machines may cost in a day of UTC; 0: any sum (default)"},
    {"usd-per-hour", 0, "DOLLARS", OPTION_TEXT, AT(usd_per_hour), NULL, 0, 0, NULL,
     "add, edit: what one of them costs an hour where no cloud says it, as of hosts of your own; 0: nothing (default)"},
    {"idle",     0, "DURATION|never", OPTION_TEXT, AT(idle), NULL, 0, 0, NULL,
     "add, edit: a machine that has done nothing for so long is destroyed; default: 1h"},
    {"booked-only", 0, NULL, OPTION_FLAG, AT(booked_only), NULL, 0, 0, NULL,
     "add, edit: its servers run files of who booked them alone"},
    {"share",    0, NULL, OPTION_FLAG, AT(share), NULL, 0, 0, NULL, "edit: free servers serve all again (default of a new one)"},
    {"rename",   0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL, "edit: another name"},
    {"size",     0, "SIZE", OPTION_TEXT, AT(size), NULL, 0, 0, NULL, "take: of the machines; default: any, of new ones the fleet's own"},
    {"wait",     'w', NULL, OPTION_FLAG, AT(wait), NULL, 0, 0, NULL, "take: until all are ready; the exit code is 3 when one is not"},
};
#define PASSWORD_STDIN(what) \
    {"password-stdin", 0, NULL, OPTION_FLAG, AT(password_stdin), NULL, 0, 0, NULL, what}
#define ACCOUNT_PASSWORD \
    PASSWORD_STDIN("the account's password is the first line of standard input, instead of being asked for")
#define TOKEN_OPTIONS(for_) \
    {"scope", 0, "read|run|admin", OPTION_CHOICE, AT(scope), "run", 0, 0, NULL, \
     for_ "what the token may do: look; start and stop launches; all that its account may"}, \
    {"days",  0, "N", OPTION_NUMBER, AT(days), "90", 0, TOKEN_DAYS_MAX, NULL, \
     for_ "how long it is valid; 0: without an end"}
static const struct option_row login_options[] = {
    {"login", 0, "NAME", OPTION_TEXT, AT(login), NULL, 0, 0, NULL, "who you are; default: you are asked"},
    PASSWORD_STDIN("the password is the first line of standard input, instead of being asked for"),
    TOKEN_OPTIONS(""),
};
static const struct option_row password_options[] = {
    PASSWORD_STDIN("the first line of standard input is the present password, the second one the new one"),
};
static const struct option_row account_options[] = {ACCOUNT_PASSWORD};
static const struct option_row own_options[] = {
    {"zone", 0, "ZONE", OPTION_TEXT, AT(zone), NULL, 0, 0, NULL,
     "edit: your time zone, like Europe/Berlin: of times that are shown, and of schedules that you make without one"},
    {"mail-launches", 0, "never|failed|always", OPTION_CHOICE, AT(mail_launches), NULL, 0, 0, NULL,
     "edit: when you get a mail about a launch of yours that ended; `failed` is what you have until you choose"},
    {"mail-launch-min", 0, "DURATION", OPTION_DURATION, AT(mail_launch_min_ms), NULL, 0, 0, NULL,
     "edit: but not about one that took less; 1m until you choose"},
    {"mail-schedule-launches", 0, "never|failed|always", OPTION_CHOICE, AT(mail_schedule_launches), NULL, 0, 0, NULL,
     "edit: the same of launches that your schedules started, however short"},
    {"mail-schedule-failed", 0, "yes|no", OPTION_CHOICE, AT(mail_schedule_failed), NULL, 0, 0, NULL,
     "edit: a mail when a schedule of yours cannot start its list"},
    {"mail-schedule-missed", 0, "yes|no", OPTION_CHOICE, AT(mail_schedule_missed), NULL, 0, 0, NULL,
     "edit: when one was due, no server was there, and it is given up"},
    {"mail-schedule-disabled", 0, "yes|no", OPTION_CHOICE, AT(mail_schedule_disabled), NULL, 0, 0, NULL,
     "edit: when one is disabled because it would not start any more"},
    ACCOUNT_PASSWORD,
};
static const struct option_row user_options[] = {
    {"email",      0, "ADDRESS", OPTION_TEXT, AT(email), NULL, 0, 0, NULL, "add: its address"},
    {"admin",      0, NULL, OPTION_FLAG, AT(admin), NULL, 0, 0, NULL, "add: an admin"},
    {"unverified", 0, NULL, OPTION_FLAG, AT(unverified), NULL, 0, 0, NULL,
     "add: it may not do anything until `wrata user verify`"},
    PASSWORD_STDIN("add: its password is the first line of standard input; without it a link is printed where one is"
                   " chosen"),
    {"yes",        'y', NULL, OPTION_FLAG, AT(yes), NULL, 0, 0, NULL, "delete: do not ask"},
};
static const struct option_row token_options[] = {
    TOKEN_OPTIONS("add: "),
    ACCOUNT_PASSWORD,
};
static const struct option_row reap_options[] = {
    {"dry-run",   0, NULL, OPTION_FLAG, AT(dry_run), NULL, 0, 0, NULL,
     "destroy nothing: say what would be"},
    {"instance",  0, "ID", OPTION_TEXT, AT(instance), NULL, 0, 0, NULL,
     "machines of this wrata; default: of the server that has the data folder"},
    {"all",       0, NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL,
     "machines of every wrata that uses the account"},
    {"force",     0, NULL, OPTION_FLAG, AT(force), NULL, 0, 0, NULL,
     "of machines that are named: also while their lease goes on"},
    {"cloud-url", 0, "URL", OPTION_TEXT, AT(cloud_url), "https://api.digitalocean.com", 0, 0, "WRATA_CLOUD_URL",
     "where the API of the cloud is"},
};
static const struct option_row audit_options[] = {
    {"user",    0, "LOGIN", OPTION_TEXT, AT(user), NULL, 0, 0, NULL,
     "what this one did; a deleted account by its number: '#12'"},
    {"action",  0, "ACTION", OPTION_TEXT, AT(action), NULL, 0, 0, NULL, "this action: token.make, or token for all that begin so"},
    {"object",  0, "OBJECT", OPTION_TEXT, AT(object), NULL, 0, 0, NULL, "what was done to this: 'launch 12', 'user mira'"},
    {"since",   0, "DURATION", OPTION_DURATION, AT(since_ms), NULL, 0, 0, NULL, "not longer ago than this: 2h, 7d"},
    {"refused", 0, NULL, OPTION_FLAG, AT(refused), NULL, 0, 0, NULL, "only what was refused"},
    {"limit",   'l', "N", OPTION_NUMBER, AT(limit), "50", 1, 10000, NULL, "how many, newest first"},
    {"export",  0, "csv|json", OPTION_CHOICE, AT(export_as), NULL, 0, 0, NULL,
     "print the whole, at most 100,000 rows, whatever --limit says"},
};
static const struct option_row cost_options[] = {
    {"by",    0, "day|launch|user|schedule|server|fleet", OPTION_CHOICE, AT(by), "day", 0, 0, NULL,
     "what it is added up by; server and fleet are for admins"},
    {"from",  0, "DAY", OPTION_TEXT, AT(from_time), NULL, 0, 0, NULL, "the first day, of UTC: 2026-11-01; default: 29 days before --to"},
    {"to",    0, "DAY", OPTION_TEXT, AT(to_time), NULL, 0, 0, NULL, "the last day; default: today"},
    {"user",  0, "LOGIN", OPTION_TEXT, AT(user), NULL, 0, 0, NULL, "launches of this user alone; for admins"},
    {"limit", 'l', "N", OPTION_NUMBER, AT(limit), "20", 1, 500, NULL, "how many lines: days newest first, all else the dearest first"},
    {"csv",   0, NULL, OPTION_FLAG, AT(csv), NULL, 0, 0, NULL, "print all of it as CSV, whatever --limit says"},
};
static const struct option_row projects_options[] = {
    {"rename",  0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL, "edit: another name; history keeps the old one"},
    {"git",     0, "URL", OPTION_TEXT, AT(git), NULL, 0, 0, NULL, "edit: where it is now; it is fetched from there at once"},
    {"refresh", 0, "DURATION", OPTION_DURATION, AT(refresh_ms), NULL, 0, 0, NULL,
     "add, edit: how old it may become before it is fetched in the background, at least 30s; 0: only when somebody asks;"
     " default: 5m"},
    {"ref",     0, "REF", OPTION_TEXT, AT(ref), NULL, 0, 0, NULL, "config: branch, tag or commit; default: the default branch"},
};
#define CHOICE_OPTIONS \
    {"rename",  0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL, "edit: another name; launches that used it keep the old one"}, \
    {"place",   0, "N", OPTION_NUMBER, AT(position), NULL, 1, CHOICES_MAX, NULL, "add, edit: its place in the list, from 1"}, \
    {"preset",  0, NULL, OPTION_FLAG, AT(preset), NULL, 0, 0, NULL, "add, edit: taken when a launch names none"}, \
    {"archive", 0, NULL, OPTION_FLAG, AT(archive), NULL, 0, 0, NULL, "edit: new launches cannot choose it"}, \
    {"restore", 0, NULL, OPTION_FLAG, AT(restore), NULL, 0, 0, NULL, "edit: one that is archived can be chosen again"}, \
    {"all",     'a', NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "list: also archived ones"}
static const struct option_row location_options[] = {
    {"type",    0, "WORD", OPTION_TEXT, AT(type), NULL, 0, 0, NULL, "add, edit: groups locations"},
    {"target",  0, "URL", OPTION_TEXT, AT(target), NULL, 0, 0, NULL, "add, edit: the url of the server under test; '' none"},
    {"health",  0, "URL", OPTION_TEXT, AT(health_url), NULL, 0, 0, NULL, "add, edit: an url that says whether it is well; '' none"},
    CHOICE_OPTIONS,
};
static const struct option_row choice_options[] = {CHOICE_OPTIONS};
static const struct option_row lists_options[] = {
    {"project",  'p', "PROJECT", OPTION_TEXT, AT(project), NULL, 0, 0, NULL, "add, edit, import: name, id or URL of the project"},
    {"ref",      'r', "REF", OPTION_TEXT, AT(ref), NULL, 0, 0, NULL, "add, edit, import: branch, tag or commit; default: the default branch"},
    {"location", 0, "NAME|URL", OPTION_TEXT, AT(list_location), NULL, 0, 0, NULL, "add, edit, import: the server under test"},
    {"language", 0, "NAME", OPTION_LIST, AT(list_languages), NULL, 0, 0, NULL, "add, edit, import: each file in this one; may be repeated"},
    {"browser",  0, "NAME", OPTION_LIST, AT(list_browsers), NULL, 0, 0, NULL, "add, edit, import: and in this one; may be repeated"},
    {"env",      'e', "NAME=VALUE", OPTION_LIST, AT(env), NULL, 0, 0, NULL, "add, edit, import: a variable; no secrets; may be repeated"},
    {"order",    0, "as-given|finish-soonest", OPTION_CHOICE, AT(list_order), NULL, 0, 0, NULL, "add, edit, import: what runs first"},
    {"rename",   0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL, "edit: another name"},
    {"share",    0, NULL, OPTION_FLAG, AT(share), NULL, 0, 0, NULL, "add, edit, import: every user may read and launch it"},
    {"unshare",  0, NULL, OPTION_FLAG, AT(unshare), NULL, 0, 0, NULL, "edit: nobody else may any more"},
    {"replace",  0, NULL, OPTION_FLAG, AT(replace), NULL, 0, 0, NULL, "add, import: your list of that name becomes this one"},
    {"files",    0, NULL, OPTION_FLAG, AT(files), NULL, 0, 0, NULL, "export: the files alone, one a line"},
    {"force",    0, NULL, OPTION_FLAG, AT(force), NULL, 0, 0, NULL, "remove: also when schedules start it; they are disabled"},
};
static const struct option_row schedules_options[] = {
    {"list",      0, "LIST", OPTION_TEXT, AT(list), NULL, 0, 0, NULL, "add, edit: what is started: the name of a list of yours, or #ID"},
    {"once",      0, "TIME", OPTION_TEXT, AT(once), NULL, 0, 0, NULL, "at this date and time: 2026-11-24T02:30"},
    {"every",     0, "DURATION", OPTION_DURATION, AT(every_ms), NULL, 0, 0, NULL, "again and again: 90m, 1h30m; counted in time that elapses"},
    {"daily",     0, "HH:MM", OPTION_TEXT, AT(daily), NULL, 0, 0, NULL, "each day at this time"},
    {"weekly",    0, "DAYS", OPTION_TEXT, AT(weekly), NULL, 0, 0, NULL, "on these days of the week at --at: mon,fri"},
    {"cron",      0, "EXPRESSION", OPTION_TEXT, AT(cron), NULL, 0, 0, NULL, "minute hour day month weekday: '30 2 * * mon-fri'"},
    {"at",        0, "TIME", OPTION_TEXT, AT(sched_at), NULL, 0, 0, NULL, "with --weekly the time of the day, with --every the first time"},
    {"zone",      0, "ZONE", OPTION_TEXT, AT(zone), NULL, 0, 0, NULL, "the time zone of all these times, like Europe/Berlin; default: that of your account"},
    {"until",     0, "TIME", OPTION_TEXT, AT(until), NULL, 0, 0, NULL, "no start after this; '' without an end"},
    {"overlap",   0, "skip|queue", OPTION_CHOICE, AT(overlap), NULL, 0, 0, NULL,
     "when the launch of the time before is not done: skip this time (default), or queue one more"},
    {"give-up-h", 0, "N", OPTION_NUMBER, AT(give_up_h), NULL, 1, 8760, NULL,
     "a start that was missed is made up for once, unless it is later than this; default: 24"},
    {"book",      0, "N", OPTION_NUMBER, AT(book), NULL, 1, 1000, NULL,
     "book so many servers of --fleet for its launch, make what is missing, and give them back after"},
    {"fleet",     0, "FLEET", OPTION_TEXT, AT(fleet), NULL, 0, 0, NULL, "with --book: of this fleet"},
    {"size",      0, "SIZE", OPTION_TEXT, AT(size), NULL, 0, 0, NULL, "with --book: of the machines that are made; default: the fleet's own"},
    {"no-book",   0, NULL, OPTION_FLAG, AT(no_book), NULL, 0, 0, NULL, "edit: book none any more"},
    {"rename",    0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL, "edit: another name"},
    {"from",      0, "TIME", OPTION_TEXT, AT(from_time), NULL, 0, 0, NULL, "preview: after this time; default: now"},
    {"count",     0, "N", OPTION_NUMBER, AT(count), "5", 1, 1000, NULL, "preview: so many times"},
    {"all",       'a', NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "list: those of everybody, as an admin"},
};
static const struct option_row hooks_options[] = {
    {"on",         0, "KIND,KIND", OPTION_LIST, AT(kinds), NULL, 0, 0, NULL, "add, edit: what it hears of; may be repeated"},
    {"project",    'p', "PROJECT", OPTION_TEXT, AT(project), NULL, 0, 0, NULL,
     "add, edit: launches of this project alone: its name, or #ID; '' of any"},
    {"everybody",  0, NULL, OPTION_FLAG, AT(everybody), NULL, 0, 0, NULL,
     "add, edit: everybody's launches, servers and errors; as an admin"},
    {"github",     0, NULL, OPTION_FLAG, AT(github), NULL, 0, 0, NULL,
     "add: set the status of the commits of --project on GitHub; as an admin"},
    {"repository", 0, "OWNER/NAME", OPTION_TEXT, AT(repository), NULL, 0, 0, NULL,
     "with --github: of this repository; default: that of the project's url"},
    {"receiver",   0, "URL", OPTION_TEXT, AT(receiver), NULL, 0, 0, NULL, "edit: send it there"},
    {"rename",     0, "NAME", OPTION_TEXT, AT(rename), NULL, 0, 0, NULL, "edit: another name"},
    {"new-secret", 0, NULL, OPTION_FLAG, AT(new_secret), NULL, 0, 0, NULL, "edit: sign with another secret, shown once"},
    {"all",        'a', NULL, OPTION_FLAG, AT(all), NULL, 0, 0, NULL, "those of everybody, as an admin"},
};
static const struct option_row help_options[] = {
    {"markdown", 0, NULL, OPTION_FLAG, AT(markdown), NULL, 0, 0, NULL, "everything, as docs/cli.md"},
};
#define CONFIG_OPTION \
    {"config", 0, "FILE", OPTION_TEXT, AT(config), NULL, 0, 0, "WRATA_CONFIG", \
     "read this file instead of config.yml in the data folder"}
/* The settings, as flags. A setting that is on or off is a switch. */
#define ROW_TEXT OPTION_SETTING
#define ROW_PATH OPTION_SETTING
#define ROW_ADDRESS OPTION_SETTING
#define ROW_CHOICE OPTION_SETTING
#define ROW_NUMBER OPTION_SETTING
#define ROW_BOOL OPTION_SWITCH
static const struct option_row serve_options[] = {
    CONFIG_OPTION,
    {"private", 0, "FD", OPTION_NUMBER, AT(private_fd), NULL, 3, 1023, NULL, NULL},
#define SETTING(name, kind, preset, unit, min, max, arg, env, flag, reload, help) \
    {flag, 0, arg, ROW_##kind, AT(settings[SETTING_##name]), preset, 0, 0, env, help},
#include "config/settings.def"
#undef SETTING
};
static const struct option_row config_options[] = {
    CONFIG_OPTION,
    {"markdown", 0, NULL, OPTION_FLAG, AT(markdown), NULL, 0, 0, NULL, "every setting, as docs/configuration.md"},
};

static const struct option_row project_options[] = {
    {"markdown", 0, NULL, OPTION_FLAG, AT(markdown), NULL, 0, 0, NULL, "every key, as docs/wrata-yml.md"},
};

/* The longest by far, and it grows with each setting. */
_Static_assert(ARRAY_LEN(serve_options) + ARRAY_LEN(global_options) <= OPTION_ROWS_MAX, "raise OPTION_ROWS_MAX");

static const char *const run_synopsis[] = {"[OPTIONS] FILE|FOLDER|GLOB..."};
static const char *const log_synopsis[] = {"RUN [-f] [--tail N | --lines A-B | --from BYTE] [--times | --raw]",
                                           "RUN --grep TEXT | --regex EXPR [-i] [--lines A-B] [--times]"};
static const char *const parameters_synopsis[] = {"LAUNCH|run:RUN"};
static const char *const causes_synopsis[] = {"LAUNCH"};
static const char *const compare_synopsis[] = {"LAUNCH [--with LAUNCH]"};
static const char *const flaky_synopsis[] = {"PROJECT [--ref REF] [--days N] [--all]"};
static const char *const slowest_synopsis[] = {"PROJECT [--examples] [--ref REF] [--limit N]"};
static const char *const artifacts_synopsis[] = {"LAUNCH|run:RUN [--download DIR|--zip FILE]"};
static const char *const queue_synopsis[] = {
    "[list] [--user LOGIN] [--limit N]", "move ID... --before ID|--front|--end", "delete ID...", "clear", "shuffle", "dedupe",
    "sort", "undo [N]", "pause [--user LOGIN]", "resume [--user LOGIN]",
};
static const char *const none_synopsis[] = {""};
static const char *const launches_synopsis[] = {"[--limit N]"};
static const char *const retest_synopsis[] = {
    "LAUNCH [--all|--failed-examples] [--fresh] [--no-follow]", "run:RUN... [--fresh] [--no-follow]",
};
static const char *const history_synopsis[] = {
    "[list] [FILTERS] [--limit N] [--csv]", "export [FILTERS] [--format json|csv|junit] [-o FILE]", "logs [FILTERS] -o FILE.zip",
    "kept", "prune [--dry-run]", "delete LAUNCH|run:RUN...", "clear FILTERS|--all [--everybody]",
};
static const char *const show_synopsis[] = {"LAUNCH [--all]"};
static const char *const stop_synopsis[] = {"LAUNCH", "run:RUN"};
static const char *const servers_synopsis[] = {
    "[list]", "show NAME", "add NAME [--slots N]", "add NAME --address HOST [--user U] [--port P] [--identity FILE] [--slots N]",
    "add NAME --fleet FLEET [--slots N]",
    "edit NAME [--rename NAME] [--slots N]", "edit NAME [--address HOST] [--user U] [--port P] [--identity FILE]", "on NAME... [--size SIZE] [--wait]", "off NAME... [--force]", "book NAME...",
    "unbook [NAME...]", "drain NAME...", "resume NAME...", "idle DURATION|never|fleet NAME...",
    "set created|destroyed NAME... [--address HOST]", "remove NAME [--force] [--machine destroy|keep]",
};
static const char *const fleets_synopsis[] = {
    "[list]", "add NAME --kind KIND [-o NAME=VALUE]... [OPTIONS]", "edit NAME [-o NAME=VALUE]... [OPTIONS]", "catalog NAME",
    "take NAME COUNT [--size SIZE] [--wait]", "remove NAME",
};
static const char *const projects_synopsis[] = {"[list]", "add NAME URL [--refresh DURATION]", "edit NAME [--rename NAME] [--git URL] [--refresh DURATION]", "refresh NAME", "remove NAME", "config NAME [--ref REF]"};
static const char *const choice_synopsis[] = {"[list] [--all]", "add NAME [OPTIONS]", "edit NAME OPTIONS", "move NAME PLACE", "remove NAME"};
static const char *const lists_synopsis[] = {
    "[list]", "show NAME", "add NAME --project PROJECT [OPTIONS] FILE|FOLDER|GLOB...", "edit NAME [OPTIONS] [FILE...]",
    "launch NAME", "export NAME [--files]", "import NAME FILE|- [OPTIONS]", "remove NAME [--force]",
};
static const char *const schedules_synopsis[] = {
    "[list] [--all]", "add NAME --list LIST --once TIME|--every DURATION|--daily HH:MM [OPTIONS]",
    "add NAME --list LIST --weekly DAYS --at HH:MM|--cron EXPRESSION [OPTIONS]", "edit NAME OPTIONS", "enable NAME", "disable NAME", "run-now NAME", "starts NAME", "remove NAME",
    "preview (--once ... | --cron EXPRESSION) [--zone ZONE] [--from TIME] [--count N]",
};
static const char *const hooks_synopsis[] = {
    "[list] [--all]", "add NAME URL --on KIND,KIND [OPTIONS]", "add NAME --github --project PROJECT [--repository OWNER/NAME]",
    "show NAME", "edit NAME OPTIONS", "enable NAME", "disable NAME", "delete NAME", "test NAME", "deliveries NAME", "retry DELIVERY",
};
static const char *const mail_synopsis[] = {"[list]", "test [ADDRESS]", "retry"};
static const char *const project_synopsis[] = {"check [FOLDER|FILE]", "schema"};
static const char *const serve_synopsis[] = {"[--data DIR] [--config FILE] [--listen ADDRESS:PORT]"};
static const char *const config_synopsis[] = {"[show] [--config FILE]", "check [FILE]"};
static const char *const credentials_synopsis[] = {"[show [KEY]]", "edit", "set KEY", "rotate"};
static const char *const login_synopsis[] = {"[--url URL] [--login NAME] [--scope read|run|admin] [--days N]"};
static const char *const account_synopsis[] = {""};
static const char *const own_synopsis[] = {"[show]", "edit [--zone ZONE] [--mail-launches never|failed|always] [--mail-...]"};
static const char *const sessions_synopsis[] = {"[list]", "end SESSION", "end-others"};
static const char *const user_synopsis[] = {
    "[list]", "add LOGIN [--email ADDRESS] [--admin] [--unverified] [--password-stdin]", "show LOGIN", "verify LOGIN",
    "unverify LOGIN", "lock LOGIN", "unlock LOGIN", "admin LOGIN", "unadmin LOGIN", "reset LOGIN", "delete LOGIN [--yes]",
    "sessions-end LOGIN",
};
static const char *const token_synopsis[] = {"[list]", "add NAME [--scope read|run|admin] [--days N]", "remove NAME|ID"};
static const char *const env_synopsis[] = {"[list]", "set NAME=VALUE...", "secret NAME", "unset NAME"};
static const char *const reap_synopsis[] = {"[OPTIONS] [MACHINE...]"};
static const char *const audit_synopsis[] = {
    "[--user LOGIN] [--action ACTION] [--object OBJECT] [--since DURATION] [--refused]", "[...] --limit N",
    "[...] --export csv|json",
};
static const char *const cost_synopsis[] = {
    "[--by day|launch|user|schedule|server|fleet] [--from DAY] [--to DAY]", "[...] [--user LOGIN] [--limit N]", "[...] --csv",
};
static const char *const help_synopsis[] = {"[COMMAND]"};

const struct command commands[] = {
    {"run", LINES(run_synopsis), "run test files in parallel and show the results",
     "Runs every FILE on a free slot of a server, shows each result while it happens, and the failures at the end."
     " A FOLDER stands for all test files below it, a GLOB (quoted, so that the shell leaves it alone) may hold * ? [a-z]"
     " and ** for any number of folders. One line or example of an RSpec file is named as rspec does it:"
     " spec/a_spec.rb:12, 'spec/a_spec.rb[1:2]'.\n"
     "\n"
     "Without --project the files come from your work tree, with every change that is not committed and every new file"
     " that git does not ignore; your repository is not touched. A folder that is no git repository works, too. When a remote of the repository,"
     " `origin` first, is that of a project of the server, by ssh or by https, the launch is one of that project.\n"
     "\n"
     "With no server running, a private one is started on the data folder for the time of the launch; its machine is"
     " this computer, unless `wrata servers add` named others. The history is kept.\n"
     "\n"
     "Ctrl-C stops the launch and waits for its end; a second Ctrl-C leaves at once.\n"
     "\n"
     "The exit code is 0 when everything passed; 1 when something failed, did not load, timed out, was stopped or had no"
     " tests; 2 when the command line was wrong; 3 when the machines failed or no server could be reached.\n"
     "\n"
     "    wrata run spec/\n"
     "    wrata run -s 4 --timeout 10m 'spec/**/*_spec.rb'\n"
     "    wrata run --project https://example.org/docs.git --ref develop --junit out.xml spec/\n",
     LINES(run_options), 0, -1, NEEDS_START, false, cmd_run},
    {"status", LINES(none_synopsis), "what the server does just now", NULL,
     NULL, 0, 0, 0, NEEDS_SERVER, false, cmd_status},
    {"launches", LINES(launches_synopsis), "the newest launches", NULL,
     LINES(launches_options), 0, 0, NEEDS_START, false, cmd_launches},
    {"history", LINES(history_synopsis), "the runs that were: by any filters together, as a table, a file, or their logs",
     "Filters stand together: a run must fit all of them. `export` writes all that fit, `logs` the logs of all that fit as"
     " one zip, whose names say the file, when it started, and the server.\n"
     "\n"
     "    wrata history --user mira --outcome failed,error --since 7d\n"
     "    wrata history export --project docs --ref develop --since 2026-11-01 --format csv -o november.csv\n"
     "    wrata history logs --launch 12 --outcome failed -o failed.zip\n"
     "\n"
     "`kept` shows of each kind how long it is kept, how much there is, how old the oldest is and what goes next. `prune` has what"
     " is too old or too much go now. `delete` deletes launches with all that they have, or single runs; `clear` every run that fits, of"
     " yours, and launches of which nothing is left; what is not over stays. A job does it beside everything else.\n"
     "\n"
     "    wrata history delete 12 run:345\n"
     "    wrata history clear --server qa-3 --until 90d\n",
     LINES(history_options), 0, 500, NEEDS_START, false, cmd_history},
    {"show", LINES(show_synopsis), "one launch: its files, its failures", NULL,
     LINES(show_options), 1, 1, NEEDS_START, false, cmd_show},
    {"parameters", LINES(parameters_synopsis), "what a launch was started with, or how a run was",
     "Of a run the command, each word as a shell takes it, and its variables. Secrets have names here, and no values.\n",
     NULL, 0, 1, 1, NEEDS_START, false, cmd_parameters},
    {"causes", LINES(causes_synopsis), "why a launch failed: its failures, grouped by cause",
     "Failures that differ in numbers, ids and times alone have one cause. Those that failed most come first, each with the"
     " servers it concerns and since when it is known. docs/causes.md says the rules.\n",
     NULL, 0, 1, 1, NEEDS_START, false, cmd_causes},
    {"compare", LINES(compare_synopsis), "what of a launch is new, known, fixed, flaky or gone",
     "Beside the last launch of the same project, ref and location with at least half of its tests.\n"
     "\n"
     "    wrata compare 12\n"
     "    wrata compare 12 --with 9\n",
     LINES(compare_options), 1, 1, NEEDS_START, false, cmd_compare},
    {"flaky", LINES(flaky_synopsis), "what failed and passed on one commit",
     "RUNS has a sign for each of the last runs, the newest at the end: . passed, F failed.\n",
     LINES(flaky_options), 1, 1, NEEDS_START, false, cmd_flaky},
    {"slowest", LINES(slowest_synopsis), "the slowest files or examples of a project",
     "Files by the median of their last ten runs, examples by the last run of each file.\n",
     LINES(slowest_options), 1, 1, NEEDS_START, false, cmd_slowest},
    {"log", LINES(log_synopsis), "the output of a run",
     "Prints the bytes as the program wrote them. On a terminal colours are kept and every other control sequence is"
     " shown instead of obeyed. --grep and --regex search on the server, in the text without control sequences; the exit code is 1"
     " when no line is found.\n"
     "\n"
     "    wrata log 345 -n 50 -f\n"
     "    wrata log 345 --grep 'expected' --times\n"
     "    wrata log 345 --lines 1200-1300\n",
     LINES(log_options), 1, 1, NEEDS_START, false, cmd_log},
    {"artifacts", LINES(artifacts_synopsis), "the files that runs left: screenshots, videos, reports",
     "Lists what was kept of a run, or of all runs of a launch, by the globs of `artifacts` in wrata.yml and of `wrata run"
     " --artifacts`; EXAMPLE is the place of the example in its run that a file belongs to.\n"
     "\n"
     "    wrata artifacts 12\n"
     "    wrata artifacts run:345 --download shots/\n",
     LINES(artifacts_options), 1, 1, NEEDS_START, false, cmd_artifacts},
    {"retest", LINES(retest_synopsis), "run what did not pass in a launch again, or chosen runs",
     "The same commit and parameters, each file in the language and browser it had. It is a launch of its own, and yours."
     " Followed like one of `wrata run`, with the same exit codes.\n"
     "\n"
     "Runs (`wrata history` lists them) are run again together when their launches had the same project, commit and"
     " parameters; else nothing is started, and it is said in what they differ.\n"
     "\n"
     "    wrata retest 12 --failed-examples\n"
     "    wrata retest run:345 run:346\n",
     LINES(retest_options), 1, -1, NEEDS_SERVER, false, cmd_retest},
    {"stop", LINES(stop_synopsis), "stop a launch, or one run of it",
     "What runs is stopped, what waits is cancelled.\n",
     NULL, 0, 1, 1, NEEDS_SERVER, false, cmd_stop},
    {"queue", LINES(queue_synopsis), "look at the files that wait to be run, and change their order",
     "Your queue holds the waiting files of all your launches; its order is what runs first. `list` says why each waits and"
     " when it should start. Files that are moved keep their order among themselves. `sort` puts the longest first, as"
     " predicted; `dedupe` leaves the first of those that would do the same. What `delete`, `clear` and `dedupe` take out can"
     " be put back for ten minutes: `undo` does the newest, or the one that is named. `pause` starts no new file of the queue"
     " until `resume`, also across a restart: what runs goes on, what was given to a server and has not begun comes back, and"
     " others get the slots.\n"
     "\n"
     "    wrata queue move 77 78 --front\n"
     "    wrata queue clear && wrata queue undo\n",
     LINES(queue_options), 0, -1, NEEDS_SERVER, false, cmd_queue},
    {"servers", LINES(servers_synopsis), "list, add, switch on and off, book and remove the machines that run files",
     "A server of fleet `local` is this computer; one of fleet `ssh` is reached with your own ssh and its configuration,"
     " and needs nothing installed but git and what your tests need. Servers of other fleets have machines that are made when"
     " they are switched on, and destroyed when they are switched off or have done nothing for too long.\n"
     "\n"
     "NAME may stand for many: 'web-{0..19}' are twenty, also to `add`. What is done is done to all of them, or to none. A"
     " server that you booked runs your files alone; `unbook` without a name gives all of yours back. `drain` lets a server"
     " finish what it runs and gives it nothing more, until `resume`; then `edit` can change its record. `resume` also puts back"
     " one that was taken out because it does not work. `show` says how its machine is: clock, disks, load, memory, tools. `set` says by hand what a server really is, when wrata"
     " has it wrong.\n"
     "\n"
     "    wrata servers add 'web-{0..19}' --fleet cloud\n"
     "    wrata servers on 'web-{0..19}' --size s-2vcpu-4gb --wait\n",
     LINES(servers_options), 0, -1, NEEDS_START, false, cmd_servers},
    {"fleets", LINES(fleets_synopsis), "where machines come from: list, add, change, remove; take so many servers of one",
     "Each fleet is of a kind: `digitalocean` makes droplets with the token in the credentials, `command` calls programs of"
     " yours, `fake` is for trying it out. `take` books so many servers of a fleet: free ones, then such as are switched"
     " on for it, then new ones. Only an admin changes a fleet.\n"
     "\n"
     "    wrata fleets add cloud --kind digitalocean -o 'regions=[\"fra1\"]' -o image=my-snapshot --machines-max 20\n"
     "    wrata fleets take cloud 10 --size s-2vcpu-4gb --wait\n",
     LINES(fleets_options), 0, 3, NEEDS_SERVER, false, cmd_fleets},
    {"projects", LINES(projects_synopsis), "list, add, change, refresh and remove git repositories",
     "A list of branches or files is what the last refresh brought; `list` says when that was, and what went wrong since."
     " `config` prints the wrata.yml of the project at a commit and the limits that come of it, or what is wrong there: then the"
     " exit code is 2.\n",
     LINES(projects_options), 0, 3, NEEDS_START, false, cmd_projects},
    {"project", LINES(project_synopsis), "check the wrata.yml of a folder, without a server",
     "`check` says what is wrong in the file of a project, with its lines; the exit code is 0 when all is right, 2 when"
     " not. `schema` prints a JSON schema, with which editors complete and check the file.\n",
     LINES(project_options), 0, 2, NEEDS_NOTHING, false, cmd_project},
    {"locations", LINES(choice_synopsis), "the servers under test that a launch may choose",
     "The list is everybody's, and also shows the urls that you chose yourself. An admin changes it. `remove` archives one that"
     " a launch has used.\n"
     "\n"
     "    wrata locations add staging --target https://staging.example.org --place 1\n",
     LINES(location_options), 0, 3, NEEDS_START, false, cmd_choices},
    {"browsers", LINES(choice_synopsis), "the browsers that a launch may choose", NULL,
     LINES(choice_options), 0, 3, NEEDS_START, false, cmd_choices},
    {"languages", LINES(choice_synopsis), "the languages that a launch may choose", NULL,
     LINES(choice_options), 0, 3, NEEDS_START, false, cmd_choices},
    {"lists", LINES(lists_synopsis), "files to run again and again, with the parameters of their launch",
     "NAME is that of a list of yours or one that others share, or #ID. A list keeps paths, folders and globs in their order;"
     " what they mean is looked up at each launch. `edit` with files replaces all of them. `export` prints what `import`"
     " takes: JSON, or with --files the files alone, one a line.\n"
     "\n"
     "    wrata lists add nightly --project docs --ref develop 'spec/**/*_spec.rb'\n"
     "    wrata lists export nightly --files | grep smoke | wrata lists import smoke - --project docs\n",
     LINES(lists_options), 0, -1, NEEDS_START, false, cmd_lists},
    {"schedules", LINES(schedules_synopsis), "lists that start by themselves, once or again and again",
     "Times are those of --zone. A time that summer time leaves out is the first moment after the gap; one that comes"
     " twice is its first occurrence. What was missed because no server was there is made up for once, the last of it."
     " `preview` prints the next times of a rule without making anything; `starts` what came of the times of a schedule;"
     " `run-now` starts its list by hand.\n"
     "\n"
     "    wrata schedules add nightly --list nightly --weekly mon,tue,wed,thu,fri --at 02:30 --zone Europe/Berlin\n"
     "    wrata schedules add big --list all --daily 01:00 --book 20 --fleet cloud\n"
     "    wrata schedules preview --cron '30 2 1 * *' --zone Europe/Berlin\n",
     LINES(schedules_options), 0, 2, NEEDS_SERVER, false, cmd_schedules},
    {"login", LINES(login_synopsis), "sign in to a server, so that further commands are asked as you",
     "Asks for login and password, and keeps an API token for this server in $XDG_CONFIG_HOME/wrata/tokens.json, else"
     " ~/.config/wrata/tokens.json, which nobody else can read. The password is not kept. A token that was kept before is"
     " revoked.\n"
     "\n"
     "A command shows the first of these: WRATA_TOKEN in the environment (of the server in WRATA_URL, when that is set);"
     " the token kept for the server's URL; on the data folder of a server, to whoever can read it, the host's own, which"
     " is an admin's. Neither token nor password is sent over plain http to another computer, unless WRATA_INSECURE=1.\n"
     "\n"
     "    wrata login --url https://wrata.example.org --login mira\n"
     "    WRATA_URL=https://wrata.example.org WRATA_TOKEN=... wrata run spec/\n",
     LINES(login_options), 0, 0, NEEDS_SERVER, false, cmd_login},
    {"logout", LINES(account_synopsis), "forget the token that `wrata login` keeps, here and on the server",
     "When the server cannot be asked it says so, and forgets the token here all the same.\n",
     NULL, 0, 0, 0, NEEDS_NOTHING, false, cmd_logout},
    {"whoami", LINES(account_synopsis), "as whom commands are asked", NULL,
     NULL, 0, 0, 0, NEEDS_START, false, cmd_whoami},
    {"account", LINES(own_synopsis), "what your account says of you, your time zone, and what mail you get",
     "A token may look. To change it your password is asked for.\n",
     LINES(own_options), 0, 1, NEEDS_START, false, cmd_account},
    {"password", LINES(account_synopsis), "change your password",
     "Other sessions end, tokens stay.\n",
     LINES(password_options), 0, 0, NEEDS_SERVER, false, cmd_password},
    {"sessions", LINES(sessions_synopsis), "the browsers that are signed in to your account",
     "A token may look. To end sessions your password is asked for.\n",
     LINES(account_options), 0, 2, NEEDS_START, false, cmd_sessions},
    {"token", LINES(token_synopsis), "list, make and remove the API tokens of your account",
     "`add` prints the token, this once, alone on standard output. A token may look at the list; to change it your"
     " password is asked for.\n"
     "\n"
     "    wrata token add nightly --scope run --days 30 > token.txt\n",
     LINES(token_options), 0, 2, NEEDS_START, false, cmd_token},
    {"env", LINES(env_synopsis), "the variables that every run of yours gets",
     "The value of a `secret` is asked unseen, or read from standard input; it is kept encrypted, never shown again, and"
     " starred out in logs. A token may look; to change them your password is asked for (with --password-stdin it is the"
     " first line of standard input, the secret's value what follows).\n",
     LINES(account_options), 0, -1, NEEDS_START, false, cmd_env},
    {"user", LINES(user_synopsis), "list, add, verify, lock and delete accounts, as an admin",
     "On the host of the server, on its data folder, this needs no account: that is how the first admin is made. With no"
     " server running there, a private one is started for the time of the command.\n"
     "\n"
     "`add` without a password, and `reset`, print an address that works once, where the person chooses one. `delete`"
     " says what goes and what stays, and asks.\n"
     "\n"
     "    wrata user add mira --email mira@example.org --admin\n",
     LINES(user_options), 0, 2, NEEDS_START, false, cmd_user},
    {"audit", LINES(audit_synopsis), "who did what, from where, and how it ended, as an admin", NULL,
     LINES(audit_options), 0, 0, NEEDS_START, false, cmd_audit},
    {"cost", LINES(cost_synopsis), "what machines cost: today, now, and for what",
     "Each second of a machine that is paid for is divided among the runs that held its slots; the rest was idle. How it is"
     " counted: docs/cost.md. Users see what their own launches cost, admins all.\n"
     "\n"
     "    wrata cost --by launch --from 2026-11-01 --to 2026-11-30\n",
     LINES(cost_options), 0, 0, NEEDS_START, false, cmd_cost},
    {"hooks", LINES(hooks_synopsis), "programs elsewhere that are told what happens: webhooks, commit statuses on GitHub",
     "A webhook gets JSON by POST, signed as standardwebhooks.com says; its secret is printed once, by `add`. What is not"
     " taken is sent again, with the same id, for a day. `test` sends something at once and says what the receiver answered."
     " NAME is that of a hook of yours, or #ID. KIND is one of\n"
     "\n"
#define X(name, wire, who, many, what) "    " wire ": " what "\n"
     HOOK_CHOICE_MAP(X)
#undef X
     "\n"
     "Of your own launches and schedules, or with --everybody of all; servers and errors only so. What is sent, and how to check"
     " its signature, is in docs/notifications.md.\n"
     "\n"
     "    wrata hooks add chat https://chat.example.org/in/7f2a --on launch_ended,runs_failed\n"
     "    wrata hooks add statuses --github --project docs\n",
     LINES(hooks_options), 0, 3, NEEDS_SERVER, false, cmd_hooks},
    {"mail", LINES(mail_synopsis), "send a test mail, list what waits or failed, try again",
     "`test` sends a mail to ADDRESS, or to the first of admin_emails, and says what the mail server answered. `list` shows"
     " mail that waits, was sent or was given up in the last 30 days, with the reason. `retry` tries all that wait now, and"
     " those that were given up once more.\n"
     "\n"
     "The mail server is in the credentials: smtp_host, smtp_port, smtp_user, smtp_password, smtp_from.\n",
     NULL, 0, 0, 2, NEEDS_START, false, cmd_mail},
    {"serve", LINES(serve_synopsis), "run the server with its page and its API",
     "Everything is kept in the data folder; an empty one works. Each option may also stand in config.yml there, or in"
     " the environment; `wrata config show` says what is in force.\n",
     LINES(serve_options), 0, 0, NEEDS_NOTHING, false, cmd_serve},
    {"config", LINES(config_synopsis), "show and check the settings of the server",
     "`show` prints each setting with its value and where that comes from: the default, the file, the environment."
     " `check` says what is wrong in a file, with its line; without FILE it looks at the one that `wrata serve` would"
     " read. The exit code is 0 when all is right, 2 when not.\n",
     LINES(config_options), 0, 2, NEEDS_NOTHING, false, cmd_config},
    {"credentials", LINES(credentials_synopsis), "the secrets of the server, kept encrypted",
     "They are in credentials.yml.enc in the data folder; the key is in master.key beside it, or in WRATA_MASTER_KEY."
     " `edit` opens them with $EDITOR, `set` reads the value of one from standard input, or asks for it unseen; both"
     " make file and key when there are none. `show` lists what is set, `show KEY` prints that value. `rotate` makes a"
     " new key.\n"
     "\n"
     "    wrata credentials edit\n"
     "    wrata credentials set git_token < token.txt\n",
     NULL, 0, 0, 3, NEEDS_NOTHING, false, cmd_credentials},
    {"reap", LINES(reap_synopsis), "destroy machines of the cloud that nobody owns any more",
     "Each machine carries the end of its lease as a tag; a server that is alive moves it on. `reap` lists the machines of this"
     " wrata, or with --all of any, and destroys those whose lease is over, one line for each. It needs nothing but the"
     " token of the cloud: no server, no data folder, on any computer. The token is looked for in WRATA_CLOUD_TOKEN, in"
     " DO_ACCESS_TOKEN, and in the credentials of the data folder.\n"
     "\n"
     "A machine without a lease is left alone unless it is named by its number, as DigitalOcean shows it. What does not carry"
     " a tag of wrata is never touched, named or not; the tags are read again right before a machine is destroyed.\n"
     "\n"
     "The exit code is 0 when all went well, also when there was nothing to do; 1 when a machine was left that should go; 2 when"
     " the command line was wrong; 3 when the cloud could not be asked.\n"
     "\n"
     "    DO_ACCESS_TOKEN=dop_v1_... wrata reap --all --dry-run\n",
     LINES(reap_options), 0, 100, NEEDS_NOTHING, false, cmd_reap},
    {"doctor", LINES(none_synopsis), "look whether all is well here, and say which command mends what is not",
     "Checks the data folder and its space, the files that hold secrets, the certificate, the server, the database, each"
     " machine's reachability (asking the server that runs, else by ssh), git, ssh, tar and what tests need on this machine,"
     " and the clock. Nothing is changed.\n"
     "\n"
     "The exit code is 0 when nothing is wrong, warnings or not; 1 when something is.\n",
     NULL, 0, 0, 0, NEEDS_NOTHING, false, cmd_doctor},
    {"openapi", LINES(none_synopsis), "the API's description as OpenAPI JSON", NULL,
     NULL, 0, 0, 0, NEEDS_START, false, cmd_openapi},
    {"help", LINES(help_synopsis), "this, or the help of a command", NULL,
     LINES(help_options), 0, 1, NEEDS_NOTHING, false, cmd_help},
    {"version", LINES(none_synopsis), "the version", NULL,
     NULL, 0, 0, 0, NEEDS_NOTHING, false, cmd_version},
    {"man", LINES(none_synopsis), "the manual page, as roff", NULL,
     NULL, 0, 0, 0, NEEDS_NOTHING, true, cmd_man},
};
/* clang-format on */
const size_t n_commands = ARRAY_LEN(commands);
