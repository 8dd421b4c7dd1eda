void calls(void)
{
    sprintf(b, "x");
    system("ls");
    popen("ls", "r");
    atoi("1");
    strtok(b, " ");
    gets(b);
    strcat(b, "x");
    uv_spawn(loop, h, o);
    strtok_r(b, " ", &save);
}
