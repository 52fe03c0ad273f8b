/* SPDX-License-Identifier: ISC */
/* replies - what tests expect to hear.  '*' stands for any bytes but CR. */
#ifndef SMTPD_REPLIES_H
#define SMTPD_REPLIES_H

#define HELLO		"220 mx.example.org ESMTP Chasqui\r\n"
#define EHLO_REPLY	"250-mx.example.org\r\n250-PIPELINING\r\n"	\
			"250-SIZE 1048576\r\n250-8BITMIME\r\n"		\
			"250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"	\
			"250-CHUNKING\r\n250-BINARYMIME\r\n"		\
			"250-SMTPUTF8\r\n"				\
			"250-LIMITS RCPTMAX=1000 MAILMAX=5\r\n250 HELP\r\n"
#define HELO_REPLY	"250 mx.example.org\r\n"
#define MAIL_OK		"250 2.1.0 Ok\r\n"
#define RCPT_OK		"250 2.1.5 Ok\r\n"
#define OK		"250 2.0.0 Ok\r\n"
#define GO		"354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED		"250 2.0.0 Ok: queued as *\r\n"
#define BYE		"221 2.0.0 Bye\r\n"
#define SEQUENCE	"503 5.5.1 Bad sequence of commands\r\n"
#define BARE		"550 5.6.0 The message has a bare CR or LF; "	\
			"lines end in CR LF\r\n"
#define UP_TO_RCPT	"EHLO c\r\nMAIL FROM:<a@b.example>\r\n"		\
			"RCPT TO:<u@example.org>\r\n"
#define UP_TO_RCPT_OK	HELLO EHLO_REPLY MAIL_OK RCPT_OK
#define UP_TO_DATA	UP_TO_RCPT "DATA\r\n"
#define UP_TO_DATA_OK	UP_TO_RCPT_OK GO

#endif
