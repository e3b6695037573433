"""The client's resources and the API's answers: the same fields."""

from __future__ import annotations

from dataclasses import fields

import pytest

from iotronic_mec import sdk
from iotronic_mec.api.fields import Shape
from iotronic_mec.features.audit import schema as audit
from iotronic_mec.features.board import schema as board
from iotronic_mec.features.enabled_webservice import schema as enabled_webservice
from iotronic_mec.features.exposed_service import schema as exposed_service
from iotronic_mec.features.identity import schema as identity
from iotronic_mec.features.injection import schema as injection
from iotronic_mec.features.plugin import schema as plugin
from iotronic_mec.features.project import schema as project
from iotronic_mec.features.request import schema as request
from iotronic_mec.features.service import schema as service
from iotronic_mec.features.token import schema as token
from iotronic_mec.features.virtual_port import schema as virtual_port
from iotronic_mec.features.webservice import schema as webservice
from iotronic_mec.sdk.resource import Resource

LEFT_OUT = {"links", "wstun_ip", "VIF_name", "MAC_add"}
"""What answers hold and the client does not show: addresses, a word of upstream's
that is always null, and two that are there in lower case as well."""


@pytest.mark.parametrize(
    ("resource", "shape"),
    [
        (sdk.Board, board.BoardShape),
        (sdk.EnrolmentCode, board.CodeShape),
        (sdk.Explanation, injection.ExplainShape),
        (sdk.Reason, injection.ReasonShape),
        (sdk.Plugin, plugin.PluginShape),
        (sdk.Injection, injection.InjectionShape),
        (sdk.Request, request.RequestShape),
        (sdk.Result, request.ResultShape),
        (sdk.AuditRow, audit.AuditRowShape),
        (sdk.User, identity.UserShape),
        (sdk.Token, token.TokenShape),
        (sdk.WhoAmI, identity.WhoAmIShape),
        (sdk.Service, service.ServiceShape),
        (sdk.Webservice, webservice.WebserviceShape),
        (sdk.EnabledWebservice, enabled_webservice.EnabledShape),
        (sdk.Port, virtual_port.PortShape),
        (sdk.Exposure, exposed_service.ExposureShape),
        (sdk.Project, project.ProjectShape),
    ],
)
def test_resource_has_the_fields_of_the_answer(
    resource: type[Resource], shape: type[Shape]
) -> None:
    """A field the API gains or loses is gained or lost here too."""
    assert {each.name for each in fields(resource)} == set(shape.model_fields) - LEFT_OUT
