/* SPDX-License-Identifier: ISC */
/* adopt - what `chasqui queue adopt` runs as the owner of another instance's
 * queue directory, in that directory: the program's whole life. */
#ifndef QMGR_ADOPT_H
#define QMGR_ADOPT_H

int	 adopt_main(void);

#endif
