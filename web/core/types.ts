/** The objects of docs/http-api.md, field by field. */
export type Time = string;
export type Outcome = 'passed' | 'failed' | 'error' | 'no_tests' | 'timed_out' | 'stopped' | 'infrastructure';
export type LaunchState = 'running' | 'stopping' | 'done';
export type TestState = 'waiting' | 'running' | 'done';
export type RunState = 'assigned' | 'preparing' | 'running' | 'stopping' | 'done' | 'lost';
export type ExampleStatus = 'passed' | 'failed' | 'pending' | 'error';
export type LinkWord = 'offline' | 'connecting' | 'online' | 'lost';

export interface ExampleCounts { discovered: number; passed: number; failed: number; pending: number; not_run: number; errors: number }
export interface TestCounts {
  total: number; waiting: number; running: number; passed: number; failed: number; error: number;
  no_tests: number; timed_out: number; stopped: number; infrastructure: number;
}
export interface Launch {
  id: number; name: string; state: LaunchState; outcome: Outcome | null; reason: string;
  project: { id: number; name: string }; ref: string; commit: string; location?: string; order: string;
  /** What its people should know of its code: a sentence, or "". */
  note?: string;
  slots?: number | null; mail?: 'choice' | MailWhen;
  /** Who started it. */
  user?: { id: number; login: string } | null;
  created_at: Time; started_at: Time | null; ended_at: Time | null;
  tests: TestCounts; examples: ExampleCounts; eta_ms: number | null;
  /** Of its runs so far, in dollars; 0 on machines without a price. */
  cost_usd?: number;
}
export interface Test {
  id: number; launch: number; path: string; state: TestState; outcome: Outcome | null;
  attempts: number; run: number | null; why: string; language?: string; browser?: string;
}
export interface Run {
  id: number; launch: number; test: number; attempt: number; path: string;
  server: { id: number; name: string } | null; slot: number | null; state: RunState; outcome: Outcome | null; reason: string;
  exit_code: number | null; signal: number | null; created_at: Time; started_at: Time | null; ended_at: Time | null;
  duration_ms: number | null; cpu_ms: number | null; max_rss_kib: number | null;
  examples: ExampleCounts;
  /** Why some of its examples did not run; "" when all of them did. */
  not_run_reason: string; log_bytes: number; commit: string; image: string | null; image_digest: string | null;
  /** Whose it is, and of what. */
  user?: number | null; login?: string; project?: number; project_name?: string; ref?: string; language?: string; browser?: string;
}
/** What scripts find in their environment; `value` null: a secret, or somebody else's. */
export interface Variable { name: string; value: string | null; secret: boolean }
/** What a launch was started with, beside what it says itself; no `servers`: any. */
export interface Parameters { launch: number; retries: number; time_limit_s: number; silence_limit_s: number; lease_s: number; servers: { id: number; name: string }[]; artifacts: string[]; env: Variable[] }
/** How a run was started. */
export interface Command { run: number; argv: string[]; report: string; reports: string[]; time_limit_s: number; silence_limit_s: number; env: Variable[] }
/** What is gone; what is much goes on as a job. */
export interface Deleted { runs: number; launches: number; job: Job | null }
/** Something long that the server does beside: deletion, clearing. */
export interface Job { id: number; kind: string; state: string; done: number; total: number | null; by: string; at: Time; error: string | null }
export interface Example {
  run: number; seq: number; id: string; path: string[]; file: string; line: number | null; status: ExampleStatus;
  duration_ms: number | null; exception: string | null; message: string | null; backtrace: string[] | null;
  pending: string | null;
  /** The page that it was on; a picture that is elsewhere. */
  page_url?: string | null; screenshot?: string | null;
  /** What failures of one cause share. */
  cause?: string;
  /** Ids of its files; known when its run is over. */
  artifacts?: number[];
}
/** What a search in a log found: `byte` is where the line begins. */
export interface LogMatch { line: number; byte: number; text: string }
export interface LogSearch { matches: LogMatch[]; count: number; whole: boolean; next_line: number | null }
/** Failures whose message is the same but for its numbers. `known`: an earlier launch had it. */
export interface Cause {
  cause: string; title: string; exception: string; frame: string; count: number; runs: number; files: number; first_seen: { launch: number; run: number; at: Time };
  servers: string[]; known: boolean; examples: { run: number; seq: number | null; path: string; description: string }[];
}
/** `causes` are those that failed most, `n_causes` how many there are. */
export interface Causes { failures: number; n_causes: number; causes: Cause[] }
export type What = 'new' | 'known' | 'fixed' | 'flaky' | 'gone';
export interface Compared { what: What; path: string; description: string; run: number | null; seq: number | null; cause: string | null; before: { run: number } | null }
export interface Comparison { launch: number; with: Launch | null; why: string; counts: Record<What, number>; items: Compared[]; next: string | null }
/** A file that a run left to be kept. `example`: the seq of the example it belongs to. */
export interface Artifact {
  id: number; run: number; launch: number; path: string; bytes: number; modified_at: Time | null; type: string; inline: boolean; example: number | null;
}
export interface Slot {
  run: number; path: string; launch: number; slot: number | null; state?: RunState; reason?: string; started_at: Time | null;
  /** Sent by servers that count examples while they run; the tile shows a bar then. */
  examples?: ExampleCounts;
}
export interface Server {
  id: number; name: string; fleet: string; address: string; port: number; user: string; slots: number;
  status: string; link: LinkWord; reason: string; since: Time; agent: string | null; facts: string | null; running: Slot[];
  /** Why it was taken out; null: it is well. */
  sick?: string | null; sick_since?: Time | null; maintenance?: boolean;
  /** When its machine is destroyed, unless something happens before. */
  destroys_at?: Time | null; health?: Health | null;
  kind?: string; status_since?: Time | null; status_reason?: string; progress?: string; machine?: string | null; size?: string | null; region?: string | null; usd_per_hour?: number | null;
  idle_ms?: number | null; booked_by?: Who | null; booked_at?: Time | null; removing?: boolean;
}
export interface Fleet {
  id: number; name: string; kind: string; makes_machines: boolean; booked_only: boolean; idle_ms: number; machines_max: number; day_usd_max: number; error: string | null;
}
export interface Size { name: string; description: string; usd_per_hour: number; memory_mib: number; cpus: number; disk_gib: number; available: boolean }
export interface Catalog { at: Time | null; error: string; sizes: Size[]; machines_max: number }
export interface Disk { path: string; free_bytes: number; total_bytes: number }
/** How a server's machine is, as its agent said last. */
export interface Health { at: Time; skew_ms: number | null; skew_error_ms: number | null; disk: Disk | null; tmp: Disk | null; load: number; cores?: number | null; memory_available_bytes?: number | null; memory_total_bytes?: number | null; os?: string; kernel?: string; tools?: string[] }
export interface Status {
  version: string; instance: string; started_at: Time; data: string;
  servers: { total: number; online: number; slots: number; busy: number };
  launches: { running: number }; tests: { waiting: number; running: number };
}
export interface Board { rev: string; status: Status; servers: Server[]; launches: Launch[] }
export interface Page<T> { items: T[]; next: string | null }
export interface LogEvent { run: number; from: number; to: number; text: string; complete: boolean }

/* Projects and what is chosen from. */
export interface Project { id: number; name: string; url: string; refreshed_at: Time | null; error: string | null; refresh_s: number }
export interface Ref { name: string; commit: string; time: Time; subject: string }
export interface Refs { refreshed_at: Time | null; error: string | null; head: string; branches: Ref[]; tags: Ref[] }
export interface Tree { commit: string; refreshed_at: Time | null; error: string | null; files: string[]; next: string | null }
/** A file by the median of its last runs. */
export interface Slow { path: string; duration_ms: number; runs: number }
/** How an example did in its last runs. */
export interface Stability { path: string; description: string }
export interface Choice { id: number; name: string; position: number; preset: boolean; archived: boolean; used_at: Time | null }
export interface Location extends Choice { type: string; url: string | null; health_url: string | null }
export interface Locations { items: Location[]; own: { url: string; used_at: Time | null }[] }
export interface Who { id: number; login: string }
/** A saved list; `files` only of one that was asked for by itself. */
export interface List {
  id: number; name: string; user: Who; project: { id: number; name: string }; ref: string; location: string; languages: string[]; browsers: string[]; env: string[];
  order: string; shared: boolean; version: number; created_at: Time; changed_at: Time; n_files: number; n_schedules: number; files?: string[];
}

export type StartResult = 'started' | 'skipped' | 'missed' | 'failed';
export interface Start { due_at: Time; due_local: string; at: Time; late_ms: number; result: StartResult; launch: number | null; text: string }
export interface Due { at: Time; local: string }
export interface Schedule {
  id: number; name: string; user: Who; list: { id: number; name: string } | null; kind: 'once' | 'every' | 'daily' | 'weekly' | 'cron'; at: string; hours: number | null; minutes: number | null;
  days: string; cron: string; zone: string; until: string; enabled: boolean; reason: string; overlap: 'skip' | 'queue'; give_up_h: number; version: number;
  created_at: Time; changed_at: Time; next_at: Time | null; next_local: string | null; last: Start | null;
}
/** A waiting test as the queue shows it. */
export interface QueueItem {
  id: number; path: string; launch: { id: number; name: string }; project: { id: number; name: string }; ref: string; commit: string;
  location: string; language: string; browser: string; attempts: number; ahead: number; predicted_ms: number | null; starts_in_ms: number | null; why: string;
}
export interface Paused { by: string; at: Time }
export interface Undo { id: number; by: string; at: Time; until: Time; tests: number }
export interface Queue { version: number; waiting: number; paused: Paused | null; items: QueueItem[]; next: string | null; undos: Undo[] }
export interface QueueChanged { version: number; waiting: number; paused: Paused | null; done: number; passed_over: number; undo: number | null }
export interface QueueEvent { user: number; version: number; waiting: number; paused: Paused | null }

/* Accounts. */
export type Role = 'nobody' | 'unverified' | 'user' | 'admin';
export type Scope = 'read' | 'run' | 'admin';
export type UserState = 'pending' | 'active' | 'locked' | 'deleted';
export type MailWhen = 'never' | 'failed' | 'always';
export interface User {
  id: number; login: string; email: string; first_name: string; last_name: string; position: string; zone: string; role: Role; state: UserState;
  email_confirmed: boolean; admin_by: 'account' | 'admin_emails' | null;
  mail_launches: MailWhen; mail_launch_min_s: number; mail_schedule_launches: MailWhen;
  mail_schedule_failed: boolean; mail_schedule_missed: boolean; mail_schedule_disabled: boolean;
  created_at: Time | null; verified_at: Time | null; locked_at: Time | null; seen_at: Time | null;
}
export interface Me {
  user: User | null; role: Role; via: string; scope: Scope; csrf: string | null; session: number | null;
  /** False: everybody is the operator. */
  accounts: boolean; sign_up: boolean; needs_admin: boolean; pending: number; password_min: number;
}
export interface Session { id: number; current: boolean; created_at: Time; seen_at: Time | null; expires_at: Time | null; address: string; agent: string }
export interface Token { id: number; name: string; scope: Scope; created_at: Time; expires_at: Time | null; used_at: Time | null; used_from: string; token?: string }
export interface Link { url: string; purpose: string; expires_at: Time | null; mailed: boolean }
export interface EnvLine { name: string; value: string | null; secret: boolean }
export interface Deletion { launches: number; running: number; sessions: number; tokens: number; env: number }
export interface Audit {
  id: number; at: Time; user: number | null; login: string; via: string; address: string; action: string; object: string; detail: string; status: number;
}

/* What admins look after. */
export interface Kept {
  kinds: { kind: 'logs' | 'artifacts' | 'examples' | 'history'; days: number | null; max_bytes: number | null; items: number; bytes: number; oldest_at: Time | null; goes_next: Time | null; goes?: number; goes_bytes?: number }[];
  disk: { free: number; total: number; database_free: number; low: boolean; full: boolean; why: string | null };
}
/** `idle_usd`: what was for no run; null where launches are added up. */
export interface Spent { cost_usd: number; runs_usd: number; idle_usd: number | null; machines_s: number | null; runs_s: number }
export interface Cost extends Page<Spent & { day: string | null; id: number | null; name: string; of: string }> {
  today: Spent & { day: string }; now: { machines: number; usd_per_hour: number; charged_at: Time | null }; from: string; to: string; by: string; total: Spent & { days: number; idle_percent: number | null; idle_usd_per_day: number | null };
}
export interface Hook {
  id: number; name: string; type: 'webhook' | 'github'; user: Who | null; url: string | null; repository: string | null; kinds: string[]; all: boolean; project: number | null; enabled: boolean; reason: string;
  created_at: Time; failing_since: Time | null; failures: number; paused_until: Time | null; last_at: Time | null; last_status: number | null; last_error: string | null;
}
export interface Delivery {
  id: number; hook: number; kind: string; state: 'waiting' | 'delivered' | 'failed'; object: number; count: number; at: Time; next_at: Time | null; ended_at: Time | null; tries: number; status: number | null; took_ms: number | null; error: string | null; answer: string; body?: string;
}
