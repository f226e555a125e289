"""The scheduled task, for Windows: Task Scheduler schema 1.4."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

from fl_client.service.job import DESCRIPTION, Job

_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",  # on battery the program itself does not train
    "StopIfGoingOnBatteries": "false",
    "AllowHardTerminate": "true",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",
    "Priority": "8",
}


class WindowsTask:
    name = "windows"

    def file(self, label: str, home: Path) -> Path:
        return home / f"{label}.xml"

    def text(self, job: Job) -> bytes:
        task = ElementTree.Element("Task", {"version": "1.4", "xmlns": _NAMESPACE})
        _add(_add(task, "RegistrationInfo"), "Description", DESCRIPTION)
        _add(_add(_add(task, "Triggers"), "LogonTrigger"), "Enabled", "true")
        principal = _add(_add(task, "Principals"), "Principal", id="Owner")
        _add(principal, "LogonType", "InteractiveToken")
        _add(principal, "RunLevel", "LeastPrivilege")
        settings = _add(task, "Settings")
        for name, value in _SETTINGS.items():
            _add(settings, name, value)
        again = _add(settings, "RestartOnFailure")
        _add(again, "Interval", "PT5M")
        _add(again, "Count", "10")
        action = _add(_add(task, "Actions", Context="Owner"), "Exec")
        _add(action, "Command", job.command[0])
        _add(action, "Arguments", subprocess.list2cmdline(job.command[1:]))
        return ElementTree.tostring(task, "utf-16", xml_declaration=True)

    def install(self, label: str, file: Path) -> list[list[str]]:
        return [
            ["schtasks", "/Create", "/F", "/TN", _task(label), "/XML", str(file)],
            ["schtasks", "/Run", "/TN", _task(label)],
        ]

    def remove(self, label: str, file: Path) -> list[list[str]]:
        return [["schtasks", "/End", "/TN", _task(label)], ["schtasks", "/Delete", "/F", "/TN", _task(label)]]

    def enabled(self, label: str) -> list[str]:
        return ["schtasks", "/Query", "/TN", _task(label)]


def _task(label: str) -> str:
    return f"Attune\\{label}"


def _add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name, attributes)
    element.text = text
    return element
