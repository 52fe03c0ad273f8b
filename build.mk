# SPDX-License-Identifier: ISC
# What every Makefile.am shares.  A directory's unit tests are the programs in
# check_PROGRAMS, its fuzz targets those in FUZZERS (--enable-fuzz).
AM_CPPFLAGS = -I$(top_srcdir)/lib -include $(top_builddir)/config.h \
	-include $(top_srcdir)/lib/base/banned.h $(BSD_CFLAGS) $(HOOKS_CPPFLAGS)
AM_CFLAGS = $(STRICT_CFLAGS) $(EVENT_CFLAGS)
AM_LDFLAGS = $(STRICT_LDFLAGS)

# What runs during the build, on the machine that builds.
COMPILE_FOR_BUILD = $(CC_FOR_BUILD) -std=gnu17 -D_GNU_SOURCE -I$(top_srcdir)/lib \
	-include $(top_srcdir)/lib/base/banned.h $(CFLAGS_FOR_BUILD)

# The libraries, lowest layer last.
LIB_BASE = $(top_builddir)/lib/base/libbase.a $(BSD_LIBS)
LIB_WIRING = $(top_builddir)/lib/wiring/libwiring.a
LIB_SASL = $(top_builddir)/lib/sasl/libsasl.a $(CRYPTO_LIBS) $(CRYPT_LIBS) \
	$(IDN2_LIBS) $(UNISTRING_LIBS) $(LIB_BASE)
LIB_MAIL = $(top_builddir)/lib/mail/libmail.a $(IDN2_LIBS) \
	$(UNISTRING_LIBS) $(LIB_BASE)
LIB_EV = $(top_builddir)/lib/ev/libev.a $(EVENT_LIBS) $(SSL_LIBS) $(LIB_BASE)
LIB_OS = $(top_builddir)/lib/os/libos.a $(SECCOMP_LIBS) $(LIB_BASE)
LIB_CONF = $(top_builddir)/lib/conf/libconf.a $(LIB_OS)
LIB_SIM_DISK = $(top_builddir)/lib/os/libsimdisk.a
LIB_IPC = $(top_builddir)/lib/ipc/libipc.a $(LIB_WIRING) $(LIB_CONF) \
	$(LIB_MAIL) $(LIB_EV)
LIB_LOGIN = $(top_builddir)/lib/login/liblogin.a $(LIB_SASL) $(LIB_IPC)
LIB_HISTORY = $(top_builddir)/lib/history/libhistory.a $(LIB_IPC)
LIB_DNS = $(top_builddir)/lib/dns/libdns.a $(LIB_IPC)
LIB_TABLE = $(top_builddir)/lib/table/libtable.a $(DB_LIBS) $(PCRE2_LIBS) \
	$(LIB_MAIL) $(LIB_CONF)
LIB_STORE = $(top_builddir)/lib/store/libstore.a $(LIB_OS) $(LIB_MAIL)
