/* rules.c - what a login, an address and a password must be. */
#include "model/rules.h"
#include "accounts/accounts_private.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ASCII alone: letters that look alike in other scripts would let one user pass for another. An address may be a login;
 * nothing follows from that. */
enum err login_check(const char *login, struct why *reterr)
{
    size_t n = strlen(login);
    size_t i;
    bool ok = n >= 1 && n <= LOGIN_CHARS_MAX && is_alnum(login[0]);
    enum err err = text_check("login", login, LOGIN_CHARS_MAX, reterr);

    if (err != ERR_OK)
        return err;
    for (i = 1; ok && i < n; i++)
        ok = is_alnum(login[i]) || strchr("._-+@", login[i]) != NULL;
    if (!ok)
        return why_set(reterr, ERR_INVALID, "login",
                       "login \"%s\" is not one: 1 to %u letters (a-z), digits, '.', '_', '-', '+' or '@', "
                       "beginning with a letter or digit",
                       login, LOGIN_CHARS_MAX);
    return ERR_OK;
}

/* No more than mail needs: no quotes, no comments, no address that a header would read differently. */
static bool is_address(const char *email)
{
    const char *at = strchr(email, '@');
    const char *p;

    if (at == NULL || at == email || at - email > 64 || at[1] == '\0' || at[1] == '.' || at[1] == '-')
        return false;
    if (email[0] == '.' || at[-1] == '.' || strstr(email, "..") != NULL)
        return false;
    for (p = email; p < at; p++) {
        if (!is_alnum(*p) && strchr("._-+!#$%&'*/=?^`{|}~", *p) == NULL)
            return false;
    }
    for (p = at + 1; *p != '\0'; p++) {
        if (!is_alnum(*p) && *p != '.' && *p != '-')
            return false;
    }
    return is_alnum(p[-1]);
}

enum err email_check(const char *email, struct why *reterr)
{
    enum err err = text_check("email", email, EMAIL_BYTES_MAX, reterr);

    if (err != ERR_OK || email[0] == '\0')
        return err;
    if (!is_address(email))
        return why_set(reterr, ERR_INVALID, "email", "email \"%.80s\" is not one: like mira@example.org",
                       email);
    return ERR_OK;
}

/* Those of ten bytes and more that every guesser tries first, in lower case; shorter ones are refused by length. */
static const char *const commonest[] = {
    "0000000000",       "0123456789",       "0987654321",
    "1111111111",       "11111111111",      "111111111111",
    "1122334455",       "1212121212",       "1231231231",
    "123123123123",     "123321123321",     "1234512345",
    "123456123456",     "1234567890",       "12345678900",
    "12345678901",      "123456789012",     "1234567891",
    "12345678910",      "1234567899",       "123456789a",
    "123456789abc",     "123456789q",       "1234qwerasdf",
    "123qweasdzxc",     "147258369147",     "1q2w3e4r5t",
    "1q2w3e4r5t6y",     "1qaz2wsx3edc",     "1qazxsw23edc",
    "2222222222",       "3333333333",       "5555555555",
    "6666666666",       "7777777777",       "8888888888",
    "9876543210",       "9999999999",       "a123456789",
    "aa12345678",       "abc1234567",       "abc123456789",
    "abcd123456",       "abcdefghij",       "administrator",
    "administrator1",   "alexander1",       "asdf123456",
    "asdfasdfasdf",     "asdfghjkl1",       "asdfghjkl;",
    "asdfghjkl123",     "baseball123",      "basketball",
    "basketball1",      "butterfly1",       "california",
    "changeme123",      "changeme1234",     "charlie123",
    "chocolate1",       "computer123",      "correcthorsebatterystaple",
    "default123",       "dragon12345",      "football123",
    "helloworld",       "hello12345",       "iloveyou12",
    "iloveyou123",      "iloveyou1234",     "letmein123",
    "letmein1234",      "liverpool1",       "manchester",
    "masterkey1",       "michael123",       "mynameis123",
    "mypassword",       "mypassword1",      "newpassword",
    "onetwothree",      "p@ssw0rd123",      "p@ssword123",
    "passw0rd123",      "password00",       "password01",
    "password10",       "password11",       "password12",
    "password123",      "password1234",     "password12345",
    "password123!",     "password2024",     "password2025",
    "password2026",     "password99",       "passwordpassword",
    "princess123",      "q1w2e3r4t5",       "q1w2e3r4t5y6",
    "qazwsxedc1",       "qazwsxedcrfv",     "qwe123qwe123",
    "qweasdzxc123",     "qwer123456",       "qwert12345",
    "qwerty1234",       "qwerty12345",      "qwerty123456",
    "qwertyqwerty",     "qwertyuiop",       "qwertyuiop1",
    "qwertyuiop123",    "qwertyuiop[]",     "secret1234",
    "sunshine123",      "superman123",      "superuser1",
    "test123456",       "testpassword",     "testtest123",
    "thisismypassword", "trustno1trustno1", "unbelievable",
    "welcome123",       "welcome1234",      "welcome12345",
    "wratawrata",       "zaq12wsxcde3",     "zxcvbnm123",
};

static bool is_one_char(const char *s)
{
    return strspn(s, (const char[]){s[0], '\0'}) == strlen(s);
}

/* The sentences never show the password. */
enum err password_check(const char *password, const char *login, struct why *reterr)
{
    size_t n = strlen(password);
    unsigned i;

    if (n < PASSWORD_BYTES_MIN || n > PASSWORD_BYTES_MAX)
        return why_set(
            reterr, ERR_INVALID, "password",
            "password is %zu characters long: %u to %u are right, several words are easiest to keep", n,
            PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
    if (text_check("password", password, PASSWORD_BYTES_MAX, NULL) != ERR_OK)
        return why_set(reterr, ERR_INVALID, "password",
                       "password holds a control character or is not valid UTF-8");
    if (strcasecmp(password, login) == 0)
        return why_set(reterr, ERR_INVALID, "password", "password is the login: choose another");
    for (i = 0; i < ARRAY_LEN(commonest); i++) {
        if (strcasecmp(password, commonest[i]) == 0)
            return why_set(reterr, ERR_INVALID, "password",
                           "password is one of those that are tried first: choose another");
    }
    if (is_one_char(password))
        return why_set(reterr, ERR_INVALID, "password", "password is one character again and again");
    return ERR_OK;
}
