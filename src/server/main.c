/* main.c - one program: `wrata serve` is the server, everything else the command line. (git, started by the server, starts it,
 * too, to ask for a password: project/askpass.h; and the server itself, to send files of Git LFS: project/lfs_send.h.) */
#include "cli/cli.h"
#include "project/askpass.h"
#include "project/lfs_send.h"
#include "server/look.h"
#include "server/serve.h"

int main(int argc, char **argv)
{
    if (askpass_is_wanted()) /* git of our own asks */
        return askpass_main(argc, argv);
    if (lfs_send_is_wanted()) /* a channel of our own, link/git_channel.c */
        return lfs_send_main();
    return cli_main(argc, argv, serve_main, look_at_store);
}
