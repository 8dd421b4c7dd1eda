/* main.c - one program: `wrata serve` is the server, everything else the command line. (git, started by the server, starts it,
 * too, to ask for a password: project/askpass.h.) */
#include "cli/cli.h"
#include "project/askpass.h"
#include "server/look.h"
#include "server/serve.h"

int main(int argc, char **argv)
{
    if (askpass_is_wanted()) /* git of our own asks */
        return askpass_main(argc, argv);
    return cli_main(argc, argv, serve_main, look_at_store);
}
