/* openapi.c - the OpenAPI 3.1 document, made of the route tables, their field tables, and the shapes below.
 *
 * A shape is what an answer looks like. Its members' types are words: int number text bool time any, the name of
 * another shape, "[T]" a list, "T?" may be null. tests/api holds live answers against it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"

struct member {
    const char *name;
    const char *type;
};

struct shape {
    const char *name;
    const char *doc;
    const struct member *members; /* an object; or NULL and */
    const char *const *words;     /* one of these texts */
};

#define MEMBERS(...)                   \
    .members = (const struct member[]) \
    {                                  \
        __VA_ARGS__,                   \
        {                              \
            NULL, NULL                 \
        }                              \
    }
#define WORDS(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

#define USER_MEMBERS                                                                                    \
    {"id", "int"}, {"login", "text"}, {"email", "text"}, {"first_name", "text"}, {"last_name", "text"}, \
        {"position", "text"}, {"zone", "text"}, {"mail_launches", "mail_when"},                         \
        {"mail_launch_min_s", "int"}, {"mail_schedule_launches", "mail_when"},                          \
        {"mail_schedule_failed", "bool"}, {"mail_schedule_missed", "bool"},                             \
        {"mail_schedule_disabled", "bool"}, {"role", "role"}, {"state", "user_state"},                  \
        {"email_confirmed", "bool"}, {"admin_by", "admin_by?"}, {"created_at", "time"},                 \
        {"verified_at", "time?"}, {"locked_at", "time?"},                                               \
    {                                                                                                   \
        "seen_at", "time?"                                                                              \
    }
#define SERVER_MEMBERS                                                                                     \
    {"id", "int"}, {"name", "text"}, {"fleet", "text"}, {"kind", "fleet_kind"}, {"address", "text"},       \
        {"port", "int"}, {"user", "text"}, {"slots", "int"}, {"status", "server_status"},                  \
        {"status_since", "time?"}, {"status_reason", "text"}, {"progress", "text"}, {"machine", "text?"},  \
        {"size", "text?"}, {"region", "text?"}, {"usd_per_hour", "number?"}, {"billed_at", "time?"},       \
        {"cost_usd", "number"}, {"idle_ms", "int?"}, {"destroys_at", "time?"}, {"booked_by", "who?"},      \
        {"booked_at", "time?"}, {"maintenance", "bool"}, {"sick", "text?"}, {"sick_cause", "sick_cause?"}, \
        {"sick_since", "time?"}, {"removing", "bool"}, {"link", "link_state"}, {"reason", "text"},         \
        {"since", "time?"}, {"agent", "text?"}, {"facts", "text?"}, {"health", "health?"},                 \
    {                                                                                                      \
        "running", "[running]"                                                                             \
    }
#define TOKEN_MEMBERS                                                                                     \
    {"id", "int"}, {"name", "text"}, {"scope", "scope"}, {"created_at", "time"}, {"expires_at", "time?"}, \
        {"used_at", "time?"},                                                                             \
    {                                                                                                     \
        "used_from", "text"                                                                               \
    }

#define HOOK_MEMBERS                                                                                   \
    {"id", "int"}, {"name", "text"}, {"type", "hook_type"}, {"user", "who"}, {"url", "text?"},         \
        {"repository", "text?"}, {"kinds", "[hook_kind]"}, {"all", "bool"}, {"project", "int?"},       \
        {"enabled", "bool"}, {"reason", "text"}, {"created_at", "time"}, {"failing_since", "time?"},   \
        {"failures", "int"}, {"paused_until", "time?"}, {"last_at", "time?"}, {"last_status", "int?"}, \
    {                                                                                                  \
        "last_error", "text?"                                                                          \
    }

#define DELIVERY_MEMBERS                                                                                   \
    {"id", "int"}, {"hook", "int"}, {"kind", "hook_kind"}, {"state", "delivery_state"}, {"object", "int"}, \
        {"count", "int"}, {"at", "time"}, {"next_at", "time?"}, {"ended_at", "time?"}, {"tries", "int"},   \
        {"status", "int?"}, {"took_ms", "int?"}, {"error", "text?"},                                       \
    {                                                                                                      \
        "answer", "text"                                                                                   \
    }

#define LIST_MEMBERS                                                                              \
    {"id", "int"}, {"name", "text"}, {"user", "who"}, {"project", "named"}, {"ref", "text"},      \
        {"location", "text"}, {"languages", "[text]"}, {"browsers", "[text]"}, {"env", "[text]"}, \
        {"order", "order"}, {"shared", "bool"}, {"version", "int"}, {"created_at", "time"},       \
        {"changed_at", "time"}, {"n_files", "int"},                                               \
    {                                                                                             \
        "n_schedules", "int"                                                                      \
    }

static const struct shape shapes[] = {
    {"outcome", "How it ended.",
     .words = WORDS("passed", "stopped", "no_tests", "failed", "timed_out", "error", "infrastructure")},
    {"launch_state", "", .words = WORDS("running", "stopping", "done")},
    {"test_state", "", .words = WORDS("waiting", "running", "removed", "done")},
    {"run_state", "", .words = WORDS("assigned", "preparing", "running", "stopping", "done", "lost")},
    {"example_status", "", .words = WORDS("passed", "failed", "pending", "error")},
    {"sick_cause", "", .words = WORDS("failures", "losses", "disk")},
    {"link_state", "", .words = WORDS("offline", "connecting", "online", "lost")},
    {"fleet_kind", "", .words = WORDS("local", "ssh", "digitalocean", "command", "fake")},
    {"server_status", "", .words = WORDS("destroyed", "creating", "created", "destroying")},
    {"order", "", .words = WORDS("as-given", "finish-soonest")},
    {"launch_mail", "When its user hears how it ended; choice: as the account says.",
     .words = WORDS("choice", "never", "failed", "always")},
    {"named", "An id with its name.", MEMBERS({"id", "int"}, {"name", "text"})},
    {"who", "A user, as others see it.", MEMBERS({"id", "int"}, {"login", "text"})},
    {"example_counts",
     "discovered = passed + failed + pending + not_run when it is over; errors are outside of examples.",
     MEMBERS({"discovered", "int"}, {"passed", "int"}, {"failed", "int"}, {"pending", "int"},
             {"not_run", "int"}, {"errors", "int"})},
    {"test_counts", "",
     MEMBERS({"total", "int"}, {"waiting", "int"}, {"running", "int"}, {"removed", "int"}, {"passed", "int"},
             {"failed", "int"}, {"error", "int"}, {"no_tests", "int"}, {"timed_out", "int"},
             {"stopped", "int"}, {"infrastructure", "int"})},
    {"launch_compare", "Failures beside those of the launch `with`; null: there was none to compare with.",
     MEMBERS({"with", "int?"}, {"new", "int"}, {"flaky", "int"}, {"known", "int"}, {"fixed", "int"},
             {"gone", "int"})},
    {"launch", "Some tests of a project at a commit, run together.",
     MEMBERS({"id", "int"}, {"name", "text"}, {"state", "launch_state"}, {"outcome", "outcome?"},
             {"reason", "text"}, {"project", "named"}, {"user", "who"}, {"ref", "text"}, {"commit", "text"},
             {"location", "text"}, {"note", "text"}, {"order", "order"}, {"slots", "int?"},
             {"mail", "launch_mail"}, {"created_at", "time"}, {"started_at", "time?"}, {"ended_at", "time?"},
             {"cost_usd", "number"}, {"tests", "test_counts"}, {"examples", "example_counts"},
             {"compare", "launch_compare?"}, {"paused", "queue_pause?"}, {"eta_ms", "int?"})},
    {"test", "One file of a launch.",
     MEMBERS({"id", "int"}, {"launch", "int"}, {"path", "text"}, {"language", "text"}, {"browser", "text"},
             {"state", "test_state"}, {"outcome", "outcome?"}, {"attempts", "int"}, {"run", "int?"},
             {"why", "text"})},
    {"queued", "A waiting test in the queue of its user.",
     MEMBERS({"id", "int"}, {"path", "text"}, {"launch", "named"}, {"project", "named"}, {"ref", "text"},
             {"commit", "text"}, {"location", "text"}, {"language", "text"}, {"browser", "text"},
             {"attempts", "int"}, {"ahead", "int"}, {"predicted_ms", "int?"}, {"starts_in_ms", "int?"},
             {"why", "text"})},
    {"queue_undo", "What was taken out of a queue and can be put back.",
     MEMBERS({"id", "int"}, {"by", "text"}, {"at", "time"}, {"until", "time"}, {"tests", "int"})},
    {"queue_pause", "Who paused a queue, and since when.", MEMBERS({"by", "text"}, {"at", "time"})},
    {"queue", "A page of a queue.",
     MEMBERS({"version", "int"}, {"waiting", "int"}, {"paused", "queue_pause?"}, {"items", "[queued]"},
             {"next", "text?"}, {"undos", "[queue_undo]"})},
    {"queue_changed", "What an operation on a queue did.",
     MEMBERS({"version", "int"}, {"waiting", "int"}, {"paused", "queue_pause?"}, {"done", "int"},
             {"passed_over", "int"}, {"undo", "int?"})},
    {"log_gap", "What is missing in a log: so many bytes, and where in it that is.",
     MEMBERS({"from", "int"}, {"bytes", "int"})},
    {"run", "One execution of a test on a server.",
     MEMBERS({"id", "int"}, {"launch", "int"}, {"test", "int"}, {"attempt", "int"}, {"path", "text"},
             {"user", "int"}, {"login", "text"}, {"project", "int"}, {"project_name", "text"},
             {"ref", "text"}, {"language", "text"}, {"browser", "text"}, {"server", "named"},
             {"slot", "int?"}, {"state", "run_state"}, {"outcome", "outcome?"}, {"reason", "text"},
             {"exit_code", "int?"}, {"signal", "int?"}, {"created_at", "time"}, {"started_at", "time?"},
             {"ended_at", "time?"}, {"duration_ms", "int?"}, {"cpu_ms", "int?"}, {"max_rss_kib", "int?"},
             {"gap_us", "int?"}, {"examples", "example_counts"}, {"not_run_reason", "text"},
             {"cost_usd", "number"}, {"log_bytes", "int"}, {"log_dropped", "log_gap?"}, {"commit", "text"},
             {"image", "text?"}, {"image_digest", "text?"}, {"log_gone", "gone?"},
             {"examples_gone", "gone?"})},
    {"gone_why", "Too old, too much of them, or the disk of the server was nearly full.",
     .words = WORDS("age", "size", "disk")},
    {"gone", "What was given up of a run: why, and when.", MEMBERS({"why", "gone_why"}, {"at", "time"})},
    {"example", "One example of a run, from its test framework.",
     MEMBERS({"run", "int"}, {"seq", "int"}, {"id", "text"}, {"path", "[text]"}, {"file", "text"},
             {"line", "int"}, {"status", "example_status"}, {"duration_ms", "number"}, {"exception", "text"},
             {"message", "text"}, {"backtrace", "[text]"}, {"pending", "text?"}, {"cause", "text?"},
             {"page_url", "text?"}, {"screenshot", "text?"}, {"artifacts", "[int]"})},
    {"log_match", "A line of a log that was found; at: places in text, from and to, in UTF-16 units.",
     MEMBERS({"line", "int"}, {"ms", "int?"}, {"byte", "int"}, {"bytes", "int"}, {"text_byte", "int"},
             {"text", "text"}, {"at", "[[int]]"})},
    {"log_gave_up", "Lines on which the expression needed more than it may.",
     MEMBERS({"lines", "int"}, {"first", "int"})},
    {"log_found", "What a search found; count is of all, also of those that are not in matches.",
     MEMBERS({"matches", "[log_match]"}, {"count", "int"}, {"whole", "bool"}, {"next_line", "int?"},
             {"lines", "int"}, {"complete", "bool"}, {"gave_up", "log_gave_up?"})},
    {"log_line", "A line of a log as text; cut: it has more of it than is here.",
     MEMBERS({"line", "int"}, {"ms", "int?"}, {"byte", "int"}, {"bytes", "int"}, {"text", "text"},
             {"cut", "bool"})},
    {"log_lines", "Lines of a log.",
     MEMBERS({"items", "[log_line]"}, {"lines", "int"}, {"complete", "bool"}, {"next_line", "int?"})},
    {"log_times", "When lines were printed: pairs of a line and milliseconds since 1970.",
     MEMBERS({"times", "[[int]]"}, {"next_line", "int?"})},
    {"code",
     "Lines of a file; first_line is the number of the first of them, line that of the one that is meant.",
     MEMBERS({"file", "text"}, {"line", "int"}, {"first_line", "int"}, {"text", "text"})},
    {"one_example",
     "An example with the code around the line that failed; null: it is not of the project, or not there.",
     MEMBERS({"example", "example"}, {"code", "code?"})},
    {"first_seen", "Where a cause was met first; the run may be gone.",
     MEMBERS({"launch", "int"}, {"run", "int"}, {"at", "time?"})},
    {"cause_example", "A failure; seq null: it is the run itself.",
     MEMBERS({"run", "int"}, {"seq", "int?"}, {"path", "text"}, {"description", "text"})},
    {"cause", "Why several failed; known: an earlier launch failed by it.",
     MEMBERS({"cause", "text"}, {"title", "text"}, {"exception", "text"}, {"frame", "text"}, {"count", "int"},
             {"runs", "int"}, {"files", "int"}, {"first_seen", "first_seen"}, {"servers", "[text]"},
             {"n_servers", "int"}, {"known", "bool"}, {"examples", "[cause_example]"})},
    {"causes", "The failures of a launch by cause; n_causes: also of those that are not listed.",
     MEMBERS({"launch", "int"}, {"causes", "[cause]"}, {"failures", "int"}, {"n_causes", "int"})},
    {"compare_what", "", .words = WORDS("new", "flaky", "known", "fixed", "gone")},
    {"compare_before", "", MEMBERS({"run", "int"})},
    {"compare_item",
     "A failure of one of two launches; description empty and seq null: of the file as a whole.",
     MEMBERS({"what", "compare_what"}, {"path", "text"}, {"language", "text"}, {"browser", "text"},
             {"description", "text"}, {"run", "int?"}, {"seq", "int?"}, {"cause", "text?"},
             {"before", "compare_before?"})},
    {"compare_counts", "",
     MEMBERS({"new", "int"}, {"flaky", "int"}, {"known", "int"}, {"fixed", "int"}, {"gone", "int"})},
    {"compared",
     "A launch beside another; why says which was taken, or why none. whole false: more failed than are "
     "compared.",
     MEMBERS({"launch", "int"}, {"items", "[compare_item]"}, {"with", "launch?"}, {"why", "text"},
             {"counts", "compare_counts"}, {"whole", "bool"}, {"next", "text?"})},
    {"stability_what", "", .words = WORDS("stable", "failing", "unstable", "flaky")},
    {"stability_point", "", MEMBERS({"run", "int"}, {"passed", "bool"})},
    {"flaky_on", "The commit on which it failed and passed, and a run of each.",
     MEMBERS({"commit", "text"}, {"failed", "int"}, {"passed", "int"})},
    {"stability",
     "How an example did in its last runs, the newest first; description empty: the file as a whole.",
     MEMBERS({"path", "text"}, {"description", "text"}, {"id", "text"}, {"language", "text"},
             {"browser", "text"}, {"location", "text"}, {"what", "stability_what"}, {"runs", "int"},
             {"failed", "int"}, {"changes", "int"}, {"strip", "[stability_point]"}, {"flaky", "flaky_on?"})},
    {"slow", "A file (the median of so many runs) or an example.",
     MEMBERS({"path", "text"}, {"description", "text"}, {"id", "text"}, {"run", "int"}, {"seq", "int?"},
             {"duration_ms", "number"}, {"runs", "int"})},
    {"trend", "A launch, or a run of a file, and how long it took; passed and failed: examples.",
     MEMBERS({"run", "int?"}, {"launch", "int"}, {"at", "time"}, {"outcome", "outcome?"},
             {"duration_ms", "int"}, {"commit", "text"}, {"passed", "int"}, {"failed", "int"})},
    {"artifact", "A file that a run left to be kept; type is said by its name alone.",
     MEMBERS({"id", "int"}, {"run", "int"}, {"launch", "int"}, {"path", "text"}, {"bytes", "int"},
             {"modified_at", "time?"}, {"type", "text"}, {"inline", "bool"}, {"example", "int?"})},
    {"artifact_sums", "What all artifacts take.",
     MEMBERS({"runs", "int"}, {"files", "int"}, {"bytes", "int"})},
    {"job_kind", "", .words = WORDS("delete", "clear")},
    {"job_state", "", .words = WORDS("running", "done", "canceled", "failed")},
    {"job",
     "Work that takes longer than an answer may; done counts runs, total is null until they are counted.",
     MEMBERS({"id", "int"}, {"kind", "job_kind"}, {"state", "job_state"}, {"done", "int"}, {"total", "int?"},
             {"by", "text"}, {"what", "any"}, {"at", "time"}, {"ended_at", "time?"}, {"error", "text?"})},
    {"kept_kind", "", .words = WORDS("logs", "artifacts", "examples", "history")},
    {"kept", "How long a kind is kept (days null: for ever), how much of it may be, and what there is.",
     MEMBERS({"kind", "kept_kind"}, {"days", "int?"}, {"max_bytes", "int?"}, {"items", "int"},
             {"bytes", "int"}, {"oldest_at", "time?"}, {"goes_next", "time?"})},
    {"pruned_kind", "The same, with what is too old or too much.",
     MEMBERS({"kind", "kept_kind"}, {"days", "int?"}, {"max_bytes", "int?"}, {"items", "int"},
             {"bytes", "int"}, {"oldest_at", "time?"}, {"goes_next", "time?"}, {"goes", "int"},
             {"goes_bytes", "int"})},
    {"kept_disk", "The disk of the data folder; database_free: free inside of the database.",
     MEMBERS({"free", "int"}, {"total", "int"}, {"database_free", "int"}, {"low", "bool"}, {"full", "bool"},
             {"why", "text?"})},
    {"data_disk", "The disk of the data folder; full: nothing new begins until there is room.",
     MEMBERS({"free", "int"}, {"total", "int"}, {"low", "bool"}, {"full", "bool"}, {"why", "text?"})},
    {"retention", "", MEMBERS({"kinds", "[kept]"}, {"disk", "kept_disk"})},
    {"pruned", "", MEMBERS({"kinds", "[pruned_kind]"}, {"disk", "kept_disk"})},
    {"deleted", "What is gone; job: what goes on with the rest.",
     MEMBERS({"runs", "int"}, {"launches", "int"}, {"job", "job?"})},
    {"disk", "A disk that runs need.",
     MEMBERS({"path", "text"}, {"free_bytes", "int"}, {"total_bytes", "int"})},
    {"health", "How a server's machine is, as its agent said last.",
     MEMBERS({"at", "time"}, {"skew_ms", "int?"}, {"skew_error_ms", "int?"}, {"disk", "disk?"},
             {"tmp", "disk?"}, {"load", "number"}, {"cores", "int?"}, {"memory_available_bytes", "int?"},
             {"memory_total_bytes", "int?"}, {"protocol", "int"}, {"os", "text"}, {"kernel", "text"},
             {"tools", "[text]"})},
    {"running", "A run at work on a server, or being prepared there.",
     MEMBERS({"run", "int"}, {"path", "text"}, {"launch", "int"}, {"slot", "int?"}, {"state", "run_state"},
             {"reason", "text"}, {"started_at", "time?"})},
    {"server", "A machine that runs tests.", MEMBERS(SERVER_MEMBERS)},
    {"servers", "Those that something was done to.", MEMBERS({"servers", "[server]"})},
    {"fleet", "Where servers come from.",
     MEMBERS({"id", "int"}, {"name", "text"}, {"kind", "fleet_kind"}, {"makes_machines", "bool"},
             {"options", "any"}, {"booked_only", "bool"}, {"idle_ms", "int"}, {"machines_max", "int"},
             {"day_usd_max", "number"}, {"usd_per_hour", "number"}, {"today_usd", "number"},
             {"kept", "[text]"}, {"error", "text?"}, {"created_at", "time?"})},
    {"cost_day",
     "What a day of UTC cost, in dollars. Idle is what was for no run; null where that is not known.",
     MEMBERS({"day", "text"}, {"cost_usd", "number"}, {"runs_usd", "number"}, {"idle_usd", "number?"},
             {"machines_s", "int?"}, {"runs_s", "int"})},
    {"cost_now", "What machines that are paid for cost an hour; the ledger is as old as charged_at says.",
     MEMBERS({"machines", "int"}, {"usd_per_hour", "number"}, {"charged_at", "time?"})},
    {"cost_total", "Of the whole time.",
     MEMBERS({"cost_usd", "number"}, {"runs_usd", "number"}, {"idle_usd", "number?"}, {"machines_s", "int?"},
             {"runs_s", "int"}, {"days", "int"}, {"idle_percent", "int?"}, {"idle_usd_per_day", "number?"})},
    {"cost_item", "One of what it was added up by: a day, or what has that id.",
     MEMBERS({"day", "text?"}, {"id", "int?"}, {"name", "text"}, {"of", "text"}, {"cost_usd", "number"},
             {"runs_usd", "number"}, {"idle_usd", "number?"}, {"machines_s", "int?"}, {"runs_s", "int"})},
    {"cost_by", "", .words = WORDS("day", "server", "fleet", "launch", "user", "schedule")},
    {"cost", "What machines cost.",
     MEMBERS({"today", "cost_day"}, {"now", "cost_now"}, {"from", "text"}, {"to", "text"}, {"by", "cost_by"},
             {"total", "cost_total"}, {"items", "[cost_item]"}, {"next", "text?"})},
    {"size", "A kind of machine that can be had.",
     MEMBERS({"name", "text"}, {"description", "text"}, {"usd_per_hour", "number?"}, {"memory_mib", "int"},
             {"cpus", "int"}, {"disk_gib", "int"}, {"available", "bool"}, {"regions", "[text]"})},
    {"region", "", MEMBERS({"name", "text"}, {"description", "text"}, {"available", "bool"})},
    {"image", "", MEMBERS({"id", "text"}, {"name", "text"}, {"snapshot", "bool"})},
    {"catalog", "What can be had of a fleet.",
     MEMBERS({"at", "time?"}, {"error", "text"}, {"sizes", "[size]"}, {"regions", "[region]"},
             {"images", "[image]"}, {"machines_max", "int"})},
    {"project", "A git repository.",
     MEMBERS({"id", "int"}, {"name", "text"}, {"url", "text"}, {"refreshed_at", "time?"}, {"error", "text?"},
             {"refresh_s", "int"})},
    {"ref", "", MEMBERS({"name", "text"}, {"commit", "text"}, {"time", "time?"}, {"subject", "text"})},
    {"refs", "",
     MEMBERS({"refreshed_at", "time?"}, {"error", "text?"}, {"head", "text?"}, {"branches", "[ref]"},
             {"tags", "[ref]"})},
    {"tree", "",
     MEMBERS({"commit", "text"}, {"refreshed_at", "time?"}, {"error", "text?"}, {"files", "[text]"},
             {"next", "text?"})},
    {"yml_problem", "A fault of wrata.yml; line 0: of the file as a whole.",
     MEMBERS({"line", "int"}, {"key", "text"}, {"message", "text"})},
    {"run_limits", "What is in force for a launch that says nothing itself.",
     MEMBERS({"retries", "int"}, {"time_limit_s", "int"}, {"silence_limit_s", "int"}, {"lease_s", "int"},
             {"slots", "int?"})},
    {"project_config", "wrata.yml at a commit; config is null when there are problems.",
     MEMBERS({"commit", "text"}, {"has_file", "bool"}, {"problems", "[yml_problem]"},
             {"problems_more", "int"}, {"config", "any"}, {"limits", "run_limits"})},
    {"planned_step", "", MEMBERS({"name", "text"}, {"command", "[text]"}, {"key", "text"})},
    {"planned_lfs", "", MEMBERS({"files", "int"}, {"bytes", "int"})},
    {"planned_submodule", "A commit of another repository, and its folder.",
     MEMBERS({"path", "text"}, {"commit", "text"})},
    {"planned_file", "",
     MEMBERS({"path", "text"}, {"command", "[text]"}, {"rule", "text"}, {"report", "text"},
             {"reports", "[text]"}, {"time_limit_s", "int"}, {"silence_limit_s", "int"}, {"retries", "int"})},
    {"launch_plan", "What a launch would run.",
     MEMBERS({"commit", "text"}, {"has_file", "bool"}, {"lease_s", "int"}, {"slots", "int?"},
             {"image", "text?"}, {"container", "any"}, {"env", "[text]"}, {"prepare", "[planned_step]"},
             {"submodules", "[planned_submodule]"}, {"lfs", "planned_lfs"}, {"files", "[planned_file]"})},
    {"variable", "What scripts find in their environment; value null: a secret, or not for you to see.",
     MEMBERS({"name", "text"}, {"value", "text?"}, {"secret", "bool"})},
    {"launch_parameters", "What a launch was started with, beside what is said of the launch itself.",
     MEMBERS({"launch", "int"}, {"retries", "int"}, {"time_limit_s", "int"}, {"silence_limit_s", "int"},
             {"lease_s", "int"}, {"servers", "[named]"}, {"artifacts", "[text]"}, {"env", "[variable]"})},
    {"run_command", "How a run was started.",
     MEMBERS({"run", "int"}, {"argv", "[text]"}, {"report", "text"}, {"reports", "[text]"},
             {"time_limit_s", "int"}, {"silence_limit_s", "int"}, {"env", "[variable]"})},
    {"bundle", "", MEMBERS({"commits", "[text]"})},
    {"server_counts", "", MEMBERS({"total", "int"}, {"online", "int"}, {"slots", "int"}, {"busy", "int"})},
    {"launches_now", "", MEMBERS({"running", "int"})},
    {"tests_now", "", MEMBERS({"waiting", "int"}, {"running", "int"})},
    {"status", "Numbers of the whole.",
     MEMBERS({"version", "text"}, {"instance", "text"}, {"started_at", "time"}, {"data", "text"},
             {"servers", "server_counts"}, {"launches", "launches_now"}, {"tests", "tests_now"},
             {"disk", "data_disk"})},
    {"board", "One snapshot for the page; rev is what the stream wants as since.",
     MEMBERS({"rev", "text"}, {"status", "status"}, {"servers", "[server]"}, {"launches", "[launch]"})},
    {"role", "", .words = WORDS("nobody", "unverified", "user", "admin")},
    {"via", "", .words = WORDS("nothing", "session", "token", "host", "open")},
    {"scope", "", .words = WORDS("read", "run", "admin")},
    {"user_state", "", .words = WORDS("pending", "active", "locked", "deleted")},
    {"admin_by", "", .words = WORDS("account", "admin_emails")},
    {"mail_when", "", .words = WORDS("never", "failed", "always")},
    {"link_purpose", "", .words = WORDS("invite", "reset", "confirm")},
    {"link_look_purpose", "", .words = WORDS("invite", "reset", "confirm", "first_admin")},
    {"user", "An account.", MEMBERS(USER_MEMBERS)},
    {"new_user", "An account that was just made.", MEMBERS(USER_MEMBERS, {"link", "link?"})},
    {"me", "Who asks.",
     MEMBERS({"user", "user?"}, {"role", "role"}, {"via", "via"}, {"scope", "scope"}, {"csrf", "text?"},
             {"session", "int?"}, {"accounts", "bool"}, {"sign_up", "bool"}, {"needs_admin", "bool"},
             {"pending", "int"}, {"password_min", "int"})},
    {"session", "Where somebody is signed in.",
     MEMBERS({"id", "int"}, {"current", "bool"}, {"created_at", "time"}, {"seen_at", "time"},
             {"expires_at", "time"}, {"address", "text"}, {"agent", "text"})},
    {"ended", "How many sessions were ended.", MEMBERS({"ended", "int"})},
    {"token", "An API token, without its secret.", MEMBERS(TOKEN_MEMBERS)},
    {"new_token", "An API token that was just made.", MEMBERS(TOKEN_MEMBERS, {"token", "text"})},
    {"link", "An address in the page that can be used once.",
     MEMBERS({"url", "text"}, {"purpose", "link_purpose"}, {"expires_at", "time"}, {"mailed", "bool"})},
    {"link_look", "What a one-time link is for.",
     MEMBERS({"purpose", "link_look_purpose"}, {"login", "text"}, {"email", "text"})},
    {"mailed", "", MEMBERS({"mailed", "bool"})},
    {"deletion", "What an account has: launches stay, those that run are stopped, the rest goes.",
     MEMBERS({"launches", "int"}, {"running", "int"}, {"sessions", "int"}, {"tokens", "int"},
             {"env", "int"})},
    {"env_line", "A variable of a user; the value of a secret is null.",
     MEMBERS({"name", "text"}, {"value", "text?"}, {"secret", "bool"})},
    {"audit", "Who asked for what, and how it ended; status 0: the server ended before the answer.",
     MEMBERS({"id", "int"}, {"at", "time"}, {"user", "int?"}, {"login", "text"}, {"via", "text"},
             {"address", "text"}, {"action", "text"}, {"object", "text"}, {"detail", "text"},
             {"status", "int"})},
    {"hook_type", "", .words = WORDS("webhook", "github")},
    {"hook_kind", "What a hook can hear of.",
     .words =
         WORDS("launch_started", "launch_ended", "runs_failed", "schedule_failed", "schedule_missed",
               "schedule_disabled", "server_lost", "server_sick", "server_not_created", "error", "test")},
    {"delivery_state", "", .words = WORDS("waiting", "delivered", "failed")},
    {"hook", "A program elsewhere that is told what happens. Of somebody else's url only the host is shown.",
     MEMBERS(HOOK_MEMBERS)},
    {"new_hook",
     "A hook that was made or changed; secret: what its deliveries are signed with, when it is new.",
     MEMBERS(HOOK_MEMBERS, {"secret", "text?"})},
    {"delivery", "One thing that a hook is told.", MEMBERS(DELIVERY_MEMBERS)},
    {"whole_delivery", "A delivery with what is sent.", MEMBERS(DELIVERY_MEMBERS, {"body", "text"})},
    {"mail_state", "", .words = WORDS("waiting", "sent", "failed")},
    {"mail", "A mail, without its text.",
     MEMBERS({"id", "int"}, {"state", "mail_state"}, {"to", "text"}, {"kind", "text"}, {"subject", "text"},
             {"message_id", "text"}, {"created_at", "time"}, {"next_at", "time?"}, {"ended_at", "time?"},
             {"tries", "int"}, {"error", "text?"})},
    {"mails_waiting", "", MEMBERS({"waiting", "int"})},
    {"location", "A server under test; position 0: archived.",
     MEMBERS({"id", "int"}, {"name", "text"}, {"type", "text"}, {"url", "text?"}, {"health_url", "text?"},
             {"position", "int"}, {"preset", "bool"}, {"archived", "bool"}, {"used_at", "time?"})},
    {"own_location", "", MEMBERS({"url", "text"}, {"used_at", "time"})},
    {"locations", "", MEMBERS({"items", "[location]"}, {"own", "[own_location]"}, {"next", "text?"})},
    {"choice", "A browser or a language; position 0: archived.",
     MEMBERS({"id", "int"}, {"name", "text"}, {"position", "int"}, {"preset", "bool"}, {"archived", "bool"},
             {"used_at", "time?"})},
    {"choice_removed", "archived: it was used, so it is kept.", MEMBERS({"archived", "bool"})},
    {"schedule_kind", "", .words = WORDS("once", "every", "daily", "weekly", "cron")},
    {"schedule_overlap", "", .words = WORDS("skip", "queue")},
    {"start_result", "", .words = WORDS("started", "skipped", "missed", "failed")},
    {"list", "Files of a project with the parameters of a launch, without the files.", MEMBERS(LIST_MEMBERS)},
    {"whole_list", "A list with its files.", MEMBERS(LIST_MEMBERS, {"files", "[text]"})},
    {"start", "What came of a time at which a schedule was due.",
     MEMBERS({"due_at", "time"}, {"due_local", "text"}, {"at", "time"}, {"late_ms", "int"},
             {"result", "start_result"}, {"launch", "int?"}, {"text", "text"})},
    {"due", "A time at which a schedule is due.", MEMBERS({"at", "time"}, {"local", "text"})},
    {"schedule_servers", "What a schedule books for its launch.",
     MEMBERS({"book", "int"}, {"fleet", "text"}, {"size", "text"})},
    {"schedule", "Starts a list, once or again and again.",
     MEMBERS({"id", "int"}, {"name", "text"}, {"user", "who"}, {"list", "named"}, {"kind", "schedule_kind"},
             {"at", "text"}, {"hours", "int"}, {"minutes", "int"}, {"days", "text"}, {"cron", "text"},
             {"zone", "text"}, {"until", "text"}, {"enabled", "bool"}, {"reason", "text"},
             {"overlap", "schedule_overlap"}, {"give_up_h", "int"}, {"servers", "schedule_servers?"},
             {"version", "int"}, {"created_at", "time"}, {"changed_at", "time"}, {"next_at", "time?"},
             {"next_local", "text?"}, {"last", "start?"})},
    {"nothing", "An empty object.", .members = (const struct member[]){{NULL, NULL}}},
};

/* ---- schemas ---- */

static void type_schema(struct json_out *j, const char *type, size_t n);

static void simple_type(struct json_out *j, const char *type, bool may_be_null)
{
    if (!may_be_null) {
        jo_ktext(j, "type", type);
        return;
    }
    jo_karr(j, "type");
    jo_text(j, type);
    jo_text(j, "null");
    jo_arr_end(j);
}

static void ref_schema(struct json_out *j, const char *type, size_t n, bool may_be_null)
{
    char ref[96];

    (void)snprintf(ref, sizeof(ref), "#/components/schemas/%.*s", (int)n, type);
    if (!may_be_null) {
        jo_ktext(j, "$ref", ref);
        return;
    }
    jo_karr(j, "anyOf");
    jo_obj(j);
    jo_ktext(j, "$ref", ref);
    jo_obj_end(j);
    jo_obj(j);
    jo_ktext(j, "type", "null");
    jo_obj_end(j);
    jo_arr_end(j);
}

static void type_schema(struct json_out *j, const char *type, size_t n)
{
    static const struct {
        const char *word;
        const char *type;
    } words[] = {{"int", "integer"}, {"number", "number"}, {"text", "string"}, {"bool", "boolean"}};
    bool may_be_null = type[n - 1] == '?';

    n -= may_be_null;
    jo_obj(j);
    if (type[0] == '[') {
        jo_ktext(j, "type", "array");
        jo_key(j, "items");
        type_schema(j, type + 1, n - 2);
    } else if (slice_eq((struct slice){type, n}, SLICE("any"))) {
        /* nothing is said of it */
    } else if (slice_eq((struct slice){type, n}, SLICE("time"))) {
        simple_type(j, "string", may_be_null);
        jo_ktext(j, "format", "date-time");
    } else {
        size_t i = 0;

        while (i < ARRAY_LEN(words) && !slice_eq((struct slice){type, n}, slice_of(words[i].word)))
            i++;
        if (i < ARRAY_LEN(words))
            simple_type(j, words[i].type, may_be_null);
        else
            ref_schema(j, type, n, may_be_null);
    }
    jo_obj_end(j);
}

static void shape_schema(struct json_out *j, const struct shape *s)
{
    jo_kobj(j, s->name);
    if (s->doc[0] != '\0')
        jo_ktext(j, "description", s->doc);
    if (s->words != NULL) {
        jo_ktext(j, "type", "string");
        jo_karr(j, "enum");
        for (uint32_t i = 0; s->words[i] != NULL; i++)
            jo_text(j, s->words[i]);
        jo_arr_end(j);
        jo_obj_end(j);
        return;
    }
    jo_ktext(j, "type", "object");
    jo_kobj(j, "properties");
    for (const struct member *m = s->members; m->name != NULL; m++) {
        jo_key(j, m->name);
        type_schema(j, m->type, strlen(m->type));
    }
    jo_obj_end(j);
    jo_karr(j, "required");
    for (const struct member *m = s->members; m->name != NULL; m++)
        jo_text(j, m->name);
    jo_arr_end(j);
    jo_kbool(j, "additionalProperties", false);
    jo_obj_end(j);
}

static void error_schema(struct json_out *j)
{
    jo_kobj(j, "error");
    jo_ktext(j, "type", "object");
    jo_kobj(j, "properties");
    jo_kobj(j, "error");
    jo_ktext(j, "type", "object");
    jo_kobj(j, "properties");
    jo_kobj(j, "code");
    jo_ktext(j, "type", "string");
    jo_karr(j, "enum");
    for (int e = ERR_OK + 1; e < ERR_COUNT; e++)
        jo_text(j, err_name((enum err)e));
    jo_arr_end(j);
    jo_obj_end(j);
    jo_key(j, "message");
    type_schema(j, "text", 4);
    jo_key(j, "field");
    type_schema(j, "text", 4);
    jo_key(j, "retry_after_s");
    type_schema(j, "int", 3);
    jo_key(j, "request_id");
    type_schema(j, "text", 4);
    jo_obj_end(j);
    jo_karr(j, "required");
    jo_text(j, "code");
    jo_text(j, "message");
    jo_text(j, "request_id");
    jo_arr_end(j);
    jo_obj_end(j);
    jo_obj_end(j);
    jo_karr(j, "required");
    jo_text(j, "error");
    jo_arr_end(j);
    jo_obj_end(j);
}

/* ---- operations ---- */

static void path_parameters(struct json_out *j, const char *path)
{
    for (const char *open = strchr(path, '{'); open != NULL; open = strchr(open + 1, '{')) {
        jo_obj(j);
        jo_key(j, "name");
        jo_textn(j, open + 1, strcspn(open + 1, "}"));
        jo_ktext(j, "in", "path");
        jo_kbool(j, "required", true);
        jo_key(j, "schema");
        type_schema(j, "int", 3);
        jo_obj_end(j);
    }
}

static void query_parameters(struct json_out *j, const struct field *f)
{
    for (; f != NULL && f->type != FIELD_END; f++) {
        jo_obj(j);
        jo_ktext(j, "name", f->name);
        jo_ktext(j, "in", "query");
        jo_kbool(j, "required", (f->flags & FIELD_REQUIRED) != 0);
        jo_key(j, "description");
        jo_text(j, f->help);
        jo_key(j, "schema");
        field_schema_one(f, j);
        jo_obj_end(j);
    }
}

static void page_schema(struct json_out *j, const char *item)
{
    jo_obj(j);
    jo_ktext(j, "type", "object");
    jo_kobj(j, "properties");
    jo_kobj(j, "items");
    jo_ktext(j, "type", "array");
    jo_key(j, "items");
    type_schema(j, item, strlen(item));
    jo_obj_end(j);
    jo_key(j, "next");
    type_schema(j, "text?", 5);
    jo_obj_end(j);
    jo_karr(j, "required");
    jo_text(j, "items");
    jo_text(j, "next");
    jo_arr_end(j);
    jo_kbool(j, "additionalProperties", false);
    jo_obj_end(j);
}

/* A part of a file, and one that the caller has already. */
static void other_successes(struct json_out *j, const struct route *r)
{
    if (strcmp(r->reply, "file") != 0)
        return;
    jo_kobj(j, "206");
    jo_ktext(j, "description", "The range of it that was asked for.");
    jo_obj_end(j);
    jo_kobj(j, "304");
    jo_ktext(j, "description", "It is what If-None-Match says.");
    jo_obj_end(j);
}

static void success(struct json_out *j, const struct route *r)
{
    static const struct {
        const char *reply;
        const char *type;
    } raw[] = {{"bytes", "text/plain"},         {"text", "text/plain"},
               {"events", "text/event-stream"}, {"file", "application/octet-stream"},
               {"xml", "application/xml"},      {"zip", "application/zip"}};
    const char *type = "application/json";
    char status[8];

    for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
        if (strcmp(r->reply, raw[i].reply) == 0)
            type = raw[i].type;
    }
    (void)snprintf(status, sizeof(status), "%d", r->status != 0 ? r->status : 200);
    jo_kobj(j, status);
    jo_ktext(j, "description", "It went well.");
    jo_kobj(j, "content");
    jo_kobj(j, type);
    jo_key(j, "schema");
    if (strncmp(r->reply, "page of ", 8) == 0)
        page_schema(j, r->reply + 8);
    else if (strcmp(type, "application/json") != 0)
        type_schema(j, "text", 4);
    else if (strcmp(r->reply, "openapi") == 0)
        jo_raw(j, "{\"type\":\"object\"}", 17);
    else
        type_schema(j, r->reply, strlen(r->reply));
    jo_obj_end(j);
    jo_obj_end(j);
    jo_obj_end(j);
}

static void operation(struct json_out *j, const struct route *r)
{
    static const char *const methods[] = {
        [ROUTE_GET] = "get", [ROUTE_POST] = "post", [ROUTE_DELETE] = "delete"};

    jo_kobj(j, methods[r->method]);
    jo_ktext(j, "summary", r->doc);
    jo_ktext(j, "x-access", access_rules[r->access].name);
    if (r->audit != NULL)
        jo_ktext(j, "x-audit", r->audit);
    jo_karr(j, "parameters");
    path_parameters(j, r->path);
    query_parameters(j, r->query);
    jo_arr_end(j);
    if (r->body_kind != BODY_NONE) {
        jo_kobj(j, "requestBody");
        jo_kbool(j, "required", true);
        jo_kobj(j, "content");
        jo_kobj(j, r->body_kind == BODY_JSON ? "application/json" : "application/octet-stream");
        if (r->body_kind == BODY_JSON) {
            jo_key(j, "schema");
            field_schema(r->body, j);
        }
        jo_obj_end(j);
        jo_obj_end(j);
        jo_obj_end(j);
    }
    jo_kobj(j, "responses");
    success(j, r);
    other_successes(j, r);
    jo_kobj(j, "default");
    jo_ktext(j, "description", "It did not: 4xx the request, 5xx the server.");
    jo_kobj(j, "content");
    jo_kobj(j, "application/json");
    jo_key(j, "schema");
    type_schema(j, "error", 5);
    jo_obj_end(j);
    jo_obj_end(j);
    jo_obj_end(j);
    jo_obj_end(j);
    jo_obj_end(j);
}

/* All rows of one path in one item. The rows of a path stand in one table. */
static void path_items(struct json_out *j, const struct route *table)
{
    for (const struct route *r = table; r->path != NULL; r++) {
        const struct route *first = table;

        while (strcmp(first->path, r->path) != 0)
            first++;
        if (first != r)
            continue;
        jo_kobj(j, r->path);
        for (const struct route *same = r; same->path != NULL; same++) {
            if (strcmp(same->path, r->path) == 0)
                operation(j, same);
        }
        jo_obj_end(j);
    }
}

static void access_schema(struct json_out *j)
{
    static const char *const owners[] = {
        [OWNER_NONE] = NULL,           [OWNER_LAUNCH] = "launch", [OWNER_RUN] = "run",
        [OWNER_ARTIFACT] = "artifact", [OWNER_LIST] = "list",     [OWNER_SCHEDULE] = "schedule",
        [OWNER_JOB] = "job",           [OWNER_HOOK] = "hook",     [OWNER_DELIVERY] = "delivery"};

    jo_kobj(j, "x-access-rules");
    for (int i = ACCESS_UNSET + 1; i < ACCESS_COUNT; i++) {
        const struct access_rule *rule = &access_rules[i];

        jo_kobj(j, rule->name);
        jo_ktext(j, "doc", rule->doc);
        jo_ktext(j, "role", role_name(rule->role));
        jo_ktext(j, "token", rule->no_token ? NULL : token_scope_name(rule->scope));
        jo_ktext(j, "owner", owners[rule->owner]);
        jo_obj_end(j);
    }
    jo_obj_end(j);
}

void api_openapi(struct buf *out)
{
    struct json_out j;

    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "openapi", "3.1.0");
    jo_kobj(&j, "info");
    jo_ktext(&j, "title", "wrata");
    jo_ktext(&j, "version", "1");
    jo_obj_end(&j);
    jo_kobj(&j, "paths");
    for (const struct route *const *table = all_routes; *table != NULL; table++)
        path_items(&j, *table);
    jo_obj_end(&j);
    jo_kobj(&j, "components");
    jo_kobj(&j, "schemas");
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        shape_schema(&j, &shapes[i]);
    error_schema(&j);
    jo_obj_end(&j);
    jo_obj_end(&j);
    access_schema(&j);
    jo_obj_end(&j);
}

static void openapi_get(struct req *rq)
{
    struct buf out;

    buf_init(&out, MIB(4));
    api_openapi(&out);
    req_json(rq, 200, &out);
}

const struct route openapi_routes[] = {
    {ROUTE(GET, ANYONE, "/api/v1/openapi.json", openapi_get, "This API, generated.", "openapi")},
    ROUTES_END,
};
