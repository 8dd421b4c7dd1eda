/* main.c - one program: `wrata serve` is the server, everything else the command line. */
#include "cli/cli.h"
#include "server/look.h"
#include "server/serve.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv, serve_main, look_at_store);
}
