/* The smallest user of an installed Cajal: header and library must be of one version. */
#include <cajal/cajal.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    printf("%s\n", cj_version());
    return strcmp(cj_version(), CJ_VERSION) == 0 ? 0 : 1;
}
