/* SPDX-License-Identifier: Apache-2.0 */
#include "cloud.h"

int cloud_open(struct cloud *cloud, sd_event *event, const char *imds, const char *endpoint,
	struct err *err)
{
	int r = http_new(event, &cloud->http);

	if (r < 0)
		return err_set(err, r, "HTTP client: %m");
	r = imds_new(event, cloud->http, imds, &cloud->imds);
	if (r < 0)
		return err_set(err, r, "metadata service: %m");
	r = aws_new(event, cloud->http, cloud->imds, endpoint, &cloud->aws);
	return r < 0 ? err_set(err, r, "AWS: %m") : 0;
}

void cloud_close(struct cloud *cloud)
{
	cloud->aws = aws_free(cloud->aws);
	cloud->imds = imds_free(cloud->imds);
	cloud->http = http_free(cloud->http);
}
