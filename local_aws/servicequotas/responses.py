"""Service Quotas' operations: moto's, and ListServiceQuotas, which it lacks."""

from __future__ import annotations

import json

from moto.servicequotas.responses import ServiceQuotasResponse as MotoResponse

PAGE = 100


class ServiceQuotasResponse(MotoResponse):
    """moto's operations with ours in front of them."""

    def list_service_quotas(self) -> str:
        """https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html"""
        asked = json.loads(self.body)
        quotas = self.backend.quotas(asked["ServiceCode"])
        start, size = int(asked.get("NextToken", 0)), asked.get("MaxResults", PAGE)
        more = {"NextToken": str(start + size)} if start + size < len(quotas) else {}
        return json.dumps({"Quotas": quotas[start : start + size], **more})
