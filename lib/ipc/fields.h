/* SPDX-License-Identifier: ISC */
/* fields - limits of fields that several edges carry, for lib/ipc itself. */
#ifndef IPC_FIELDS_H
#define IPC_FIELDS_H

#define NEXT_HOP_BYTES	1024
#define USER_BYTES	256
#define PATH_BYTES	4096
#define TEXT_BYTES	1024

#endif
