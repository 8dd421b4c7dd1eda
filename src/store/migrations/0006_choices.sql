-- What a launch may choose from: locations, browsers, languages. Of a kind those with position 1.. may be chosen, in
-- that order; archived ones stand at 0.

CREATE TABLE choices (
    id {id},
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    url TEXT NOT NULL,
    health_url TEXT NOT NULL,
    position BIGINT NOT NULL,
    is_preset BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX choices_name ON choices (kind, name);
CREATE INDEX choices_order ON choices (kind, position, id);

-- The custom locations that a user chose last.
CREATE TABLE own_locations (
    user_id BIGINT NOT NULL,
    url TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, url)
) {clustered};
CREATE INDEX own_locations_age ON own_locations (user_id, used_at);

INSERT INTO choices (id, kind, name, type, url, health_url, position, is_preset, created_at, archived_at, used_at) VALUES
    (1, 'location', 'info us', 'info', '', '', 1, 0, 0, 0, 0),
    (2, 'location', 'info eu', 'info', '', '', 2, 0, 0, 0, 0),
    (3, 'location', 'info sg', 'info', '', '', 3, 0, 0, 0, 0),
    (4, 'location', 'com us', 'com', '', '', 4, 0, 0, 0, 0),
    (5, 'location', 'com eu', 'com', '', '', 5, 0, 0, 0, 0),
    (6, 'location', 'com sg', 'com', '', '', 6, 0, 0, 0, 0),
    (7, 'location', 'com org', 'com', '', '', 7, 0, 0, 0, 0),
    (8, 'location', 'default', 'default', '', '', 8, 1, 0, 0, 0),
    (9, 'browser', 'default', '', '', '', 1, 1, 0, 0, 0),
    (10, 'browser', 'chrome', '', '', '', 2, 0, 0, 0, 0),
    (11, 'browser', 'firefox', '', '', '', 3, 0, 0, 0, 0),
    (12, 'language', 'cs-CZ', '', '', '', 1, 0, 0, 0, 0),
    (13, 'language', 'de-DE', '', '', '', 2, 0, 0, 0, 0),
    (14, 'language', 'en-US', '', '', '', 3, 1, 0, 0, 0),
    (15, 'language', 'es-ES', '', '', '', 4, 0, 0, 0, 0),
    (16, 'language', 'fr-FR', '', '', '', 5, 0, 0, 0, 0),
    (17, 'language', 'it-IT', '', '', '', 6, 0, 0, 0, 0),
    (18, 'language', 'pt-BR', '', '', '', 7, 0, 0, 0, 0),
    (19, 'language', 'ru-RU', '', '', '', 8, 0, 0, 0, 0);
