/* SPDX-License-Identifier: ISC */
/* conf_mdoc - prints the list of keys of chasqui.conf(5), for man/. */
#include <stdio.h>

#include "conf/conf.h"

int
main(void)
{
	struct buf text = BUF_INIT(1 << 20);

	if (conf_write_mdoc(&text) == -1)
		return 1;
	fwrite(text.p, 1, text.n, stdout);
	buf_clear(&text);
	return fflush(stdout) == EOF;
}
