/* The way out of a program with a service: its broker connection and the clock. */
#ifndef DEVICE_SERVICE_OUT_H
#define DEVICE_SERVICE_OUT_H

#include "device/out.h"
#include "service/service.h"

/* s: must outlive what is returned */
struct proplet_out service_out(struct service *s);

#endif
