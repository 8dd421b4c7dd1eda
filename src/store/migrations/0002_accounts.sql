-- Users and what belongs to them, and the audit log. docs/schema.md says what each column is for.
-- Digests are BLAKE2b-256 of a secret that somebody else holds: 32 bytes, never the secret.

CREATE TABLE users (
    id {id},
    login TEXT NOT NULL,
    email TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    position TEXT NOT NULL,
    password TEXT NOT NULL, -- as argon2id wrote it; empty: cannot sign in by one
    is_admin BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    email_confirmed_at BIGINT NOT NULL,
    locked_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL, -- the row stays for history, its login is free again
    seen_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_login ON users (lower(login)) WHERE deleted_at = 0;

-- Whoever is at the command line on the host, since the data folder was made: launches belong to user 1 already.
INSERT INTO users (id, login, email, first_name, last_name, position, password, is_admin, created_at, verified_at,
                   email_confirmed_at, locked_at, deleted_at, seen_at)
SELECT 1, 'operator', '', '', '', '', '', 1, MIN(applied_at), MIN(applied_at), 0, 0, 0, 0 FROM schema_version;

CREATE TABLE sessions (
    id {id},
    user_id BIGINT NOT NULL REFERENCES users (id),
    digest {bytes} NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);
CREATE UNIQUE INDEX sessions_digest ON sessions (digest);

CREATE TABLE api_tokens (
    id {id},
    user_id BIGINT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    digest {bytes} NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    used_from TEXT NOT NULL
);
CREATE UNIQUE INDEX api_tokens_digest ON api_tokens (digest);

CREATE TABLE one_time_links (
    id {id},
    user_id BIGINT NOT NULL REFERENCES users (id),
    purpose TEXT NOT NULL,
    digest {bytes} NOT NULL,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX one_time_links_digest ON one_time_links (digest);

CREATE TABLE user_env (
    user_id BIGINT NOT NULL REFERENCES users (id),
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL, -- of a secret: sealed
    is_secret BIGINT NOT NULL,
    PRIMARY KEY (user_id, position)
) {clustered};

-- Who did what. It outlives what it speaks of, so it refers to nothing; user_id 0 is nobody.
CREATE TABLE audit (
    id {id},
    created_at BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    login TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    area TEXT NOT NULL, -- of the action, up to its first dot
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    status BIGINT NOT NULL
);
CREATE INDEX audit_time ON audit (created_at, id);
CREATE INDEX audit_user ON audit (user_id, created_at, id);
CREATE INDEX audit_area ON audit (area, created_at, id);
CREATE INDEX audit_action ON audit (action, created_at, id);
CREATE INDEX audit_object ON audit (object, created_at, id);
CREATE INDEX audit_refused ON audit (created_at, id) WHERE status >= 400;

-- What an account has.
CREATE INDEX launches_user ON launches (user_id, id);
