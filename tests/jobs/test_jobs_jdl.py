"""OPUS's VOTable descriptions: read with their lines, written, and the same again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uws.analysis.quicklook import quicklook
from jupyter_uws.analysis.spectrum import spectrum
from jupyter_uws.jobs.describe import DescriptionError, describe
from jupyter_uws.jobs.description import Generated, JobDescription, Parameter
from jupyter_uws.jobs.jdl import read_jdl
from jupyter_uws.jobs.jdl_write import write_jdl

FILE = Path("append_vot.xml")

#: In the form that OPUS writes: one file is used, one generated, the script has its line ends as references.
OPUS = """\
<VOTABLE xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"
  version="1.3">
  <RESOURCE ID="append" name="append" type="meta" utype="voprov:ActivityDescription">
    <DESCRIPTION>Adds a line to a file</DESCRIPTION>
    <PARAM name="doculink" value="" arraysize="*" datatype="char" utype="voprov:ActivityDescription.doculink"/>
    <PARAM name="type" value="editing" arraysize="*" datatype="char" utype="voprov:ActivityDescription.type"/>
    <PARAM name="version" value="1.2" arraysize="*" datatype="char" utype="voprov:ActivityDescription.version"/>
    <PARAM name="contact_name" value="A. Nobody" arraysize="*" datatype="char" utype="voprov:Agent.name"/>
    <PARAM name="contact_email" value="nobody@example.org" arraysize="*" datatype="char" utype="voprov:Agent.email"/>
    <PARAM name="executionDuration" value="20" datatype="int" utype="uws:Job.executionDuration"/>
    <PARAM name="quote" value="10" datatype="int" utype="uws:Job.quote"/>
    <PARAM name="script" value="cat $input &gt; $output&#13;&#10;echo $text &gt;&gt; $output&#13;&#10;"
      arraysize="*" datatype="char"/>
    <GROUP name="InputParams">
      <PARAM ID="text" name="text" datatype="char" value="!" arraysize="*"><DESCRIPTION>A line</DESCRIPTION></PARAM>
      <PARAM ID="RA" name="RA" datatype="double" value="" unit="deg" ucd="pos.eq.ra" utype="stc:RA">
        <VALUES><MIN value="0"/><MAX value="360"/></VALUES>
      </PARAM>
      <PARAM ID="mode" name="mode" datatype="char" value="fast" arraysize="*" type="no_query">
        <VALUES><OPTION value="fast"/><OPTION value="slow"/></VALUES>
      </PARAM>
      <PARAM ID="depth" name="depth" datatype="short" value="" type="no_query"/>
      <PARAM ID="deep" name="deep" datatype="boolean" value="False"/>
      <PARAM ID="catalog" name="catalog" datatype="char" xtype="application/octet-stream" value="" type="no_query"/>
    </GROUP>
    <GROUP name="Used">
      <GROUP name="input" utype="voprov:UsedDescription">
        <DESCRIPTION>The file</DESCRIPTION>
        <PARAM name="role" value="" arraysize="*" datatype="char" utype="voprov:UsedDescription.role"/>
        <PARAM name="multiplicity" value="" arraysize="*" datatype="char"/>
        <PARAM name="default" value="input.txt" arraysize="*" datatype="char" utype="voprov:Entity.id"/>
        <PARAM name="content_type" value="text/plain, text/csv" arraysize="*" datatype="char"/>
        <PARAM name="url" value="file://$ID" arraysize="*" datatype="char" utype="voprov:EntityDescription.url"/>
      </GROUP>
    </GROUP>
    <GROUP name="Generated">
      <GROUP name="output" utype="voprov:WasGeneratedBy">
        <DESCRIPTION>The longer file</DESCRIPTION>
        <PARAM name="multiplicity" value="" arraysize="*" datatype="char"/>
        <PARAM name="default" value="output.txt" arraysize="*" datatype="char" utype="voprov:Entity.id"/>
        <PARAM name="content_type" value="" arraysize="*" datatype="char"/>
      </GROUP>
      <GROUP name="maps" utype="voprov:WasGeneratedBy">
        <PARAM name="multiplicity" value="0..*" arraysize="*" datatype="char"/>
        <PARAM name="default" value="map_*.fits" arraysize="*" datatype="char" utype="voprov:Entity.id"/>
        <PARAM name="content_type" value="image/fits" arraysize="*" datatype="char"/>
      </GROUP>
    </GROUP>
  </RESOURCE>
</VOTABLE>
"""


def read(document: str) -> JobDescription:
    return read_jdl(FILE, document.encode())


def test_what_opus_writes_is_read() -> None:
    description = read(OPUS)
    assert description.model_dump(exclude_defaults=True) == {
        "name": "append",
        "description": "Adds a line to a file",
        "version": "1.2",
        "type": "editing",
        "contact": "A. Nobody <nobody@example.org>",
        "execution_duration": 20,
        "quote": 10,
        "script": "cat $input > $output\necho $text >> $output\n",
        "parameters": (
            {"name": "text", "description": "A line", "default": "!"},
            {
                "name": "RA",
                "type": "number",
                "unit": "deg",
                "ucd": "pos.eq.ra",
                "utype": "stc:RA",
                "required": True,
                "minimum": 0.0,
                "maximum": 360.0,
            },
            {"name": "mode", "default": "fast", "choices": ("fast", "slow")},
            {"name": "depth", "type": "integer", "minimum": -32768.0, "maximum": 32767.0},
            {"name": "deep", "type": "boolean", "default": False},
            {"name": "catalog", "type": "file"},
            {
                "name": "input",
                "type": "file",
                "description": "The file",
                "required": True,
                "content_types": ("text/plain", "text/csv"),
                "filename": "input.txt",
            },
        ),
        "generated": (
            {
                "name": "output",
                "path": "output.txt",
                "content_type": "text/plain",
                "description": "The longer file",
                "max_items": 1,
            },
            {"name": "maps", "path": "map_*.fits", "content_type": "image/fits", "optional": True},
        ),
    }


def test_a_used_file_takes_the_place_of_its_parameter_and_a_result_can_be_named_by_one() -> None:
    document = OPUS.replace(
        '<GROUP name="input" utype', '<PARAM name="x"/><GROUP name="catalog" ref="catalog" utype'
    ).replace('<GROUP name="output" utype', '<GROUP name="output" ref="text" utype')
    description = read(document)
    assert [parameter.name for parameter in description.parameters][-1] == "catalog"
    assert description.parameters[-1].filename == "input.txt"
    assert description.generated[0].path == "{text}"


@pytest.mark.parametrize(
    ("text", "least", "most", "multiple"),
    [("1", True, None, False), ("0..1", False, None, False), ("*", False, None, True), ("1..*", True, None, True),
     ("2..4", True, 4, True), ("3", True, 3, True)],
)  # fmt: skip
def test_multiplicity(text: str, least: bool, most: int | None, multiple: bool) -> None:
    document = OPUS.replace('<PARAM name="multiplicity" value=""', f'<PARAM name="multiplicity" value="{text}"', 1)
    parameter = read(document).parameters[-1]
    assert (parameter.required, parameter.max_items, parameter.multiple) == (least, most, multiple)


WRONG = [
    ('value="360"', 'value="high"', 17, "MAX: 'high' is not a value of type number"),
    ('<MIN value="0"/>', '<MIN value="0" inclusive="no"/>', 17, "not inclusive"),
    ('<MIN value="0"/>', '<MIN value="400"/>', 16, "RA: minimum 400.0 is above maximum 360.0"),
    ('value="fast" arraysize', 'value="quick" arraysize', 19, "mode: its default is 'quick'"),
    ('datatype="short"', 'datatype="floatComplex"', 22, "depth: datatype 'floatComplex' is not one of"),
    ('value="20"', 'value="soon"', 10, "executionDuration is 'soon', not a whole number"),
    ('value="20"', 'value="-1"', 10, "execution_duration: Input should be greater than or equal to 0"),
    ('value="0..*"', 'value="many"', 43, "maps: multiplicity 'many' is not of the form"),
    ('value="map_*.fits"', 'value="../map_*.fits"', 43, "path '../map_*.fits' must be a file in the work folder"),
    ('ID="text" name="text"', 'ID="PATH" name="PATH"', 15, "'PATH' is a variable of the shell"),
    ('ID="text" name="text"', 'name="a;touch x"', 15, "parameter name 'a;touch x' must be letters"),
    ('name="script"', 'name="scrip"', 3, "it must have one of entry_point, command, script; it has none"),
    ('name="append" type', 'name="9th" type', 3, "name: String should match pattern"),
    ('utype="voprov:ActivityDescription"', 'utype="voprov:Activity"', 1, "it has 0 elements RESOURCE"),
    ("<VOTABLE ", "<HTML ", 50, "it is not XML"),
    ("</VOTABLE>", "", 51, "it is not XML"),
    ("<VOTABLE ", '<!DOCTYPE x [<!ENTITY a "b">]><VOTABLE ', 1, "it may have no DTD"),
    ("<VOTABLE ", '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><VOTABLE ', 1, "it may have no DTD"),
    ("Adds a line", "<A>" * 60 + "</A>" * 60, 4, "nested deeper"),
    ('name="quote" value="10"', 'name="jupyter_uws" value="[1]"', 11, "the PARAM jupyter_uws cannot be used"),
    ('name="quote" value="10"', 'name="jupyter_uws" value=\'{"colour": 1}\'', 3, "colour: Extra inputs"),
]


@pytest.mark.parametrize(("old", "new", "line", "reason"), WRONG)
def test_a_wrong_file_is_refused_with_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    assert old in OPUS
    with pytest.raises(DescriptionError) as error:
        read(OPUS.replace(old, new, 1))
    assert str(error.value).startswith(f"{FILE}, line {line}: ")
    assert reason in str(error.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    for document in (b"", b"\xff\xfe", b"\x00" * 10, OPUS.encode().replace(b"Adds", b"\xe9\xff")):
        with pytest.raises(DescriptionError, match="line"):
            read_jdl(FILE, document)


def test_the_script_may_stand_beside_the_file(tmp_path: Path) -> None:
    old = OPUS.replace('name="script"', 'name="old"')
    (tmp_path / "append.sh").write_text("echo hello\r\n")
    assert read_jdl(tmp_path / "append_vot.xml", old.encode()).script == "echo hello\n"


@pytest.mark.parametrize("description", [read(OPUS), describe(quicklook), describe(spectrum)], ids=lambda d: d.name)
def test_what_is_written_is_the_same_again(description: JobDescription) -> None:
    again = read(write_jdl(description))
    assert again == description
    assert again.digest == description.digest


def test_what_votable_can_say_stands_there_and_not_twice() -> None:
    text = write_jdl(read(OPUS))
    assert '<MAX value="360"/>' in text
    assert "jupyter_uws" not in text
    more = write_jdl(JobDescription(name="x", title="A title", script="true", cores=2))
    assert '<PARAM name="jupyter_uws" value=\'{"title": "A title", "cores": 2}\' datatype="char"' in more


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=30
)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("phase", "runid", "action", "upload", "wait")
)


@st.composite
def parameters(draw: st.DrawFn, name: str) -> Parameter:
    kind = draw(st.sampled_from(["boolean", "integer", "number", "string", "file"]))
    fields: dict[str, object] = {"name": name, "type": kind, "title": draw(TEXT), "description": draw(TEXT)}
    fields["multiple"] = multiple = draw(st.booleans())
    if multiple and draw(st.booleans()):
        fields |= {"min_items": draw(st.integers(0, 3)), "max_items": draw(st.integers(3, 9))}
    values = {
        "boolean": st.booleans(),
        "integer": st.integers(-(2**53), 2**53),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "string": st.from_regex(r"[a-zA-Z0-9;$_'\"<>&é-]{1,12}", fullmatch=True) if multiple else TEXT,
    }
    if kind == "file":
        fields |= {"required": draw(st.booleans()), "content_types": draw(st.sampled_from([(), ("image/*", "a/b")]))}
        fields |= {"max_size": draw(st.none() | st.integers(1, 10**9))}
    elif not draw(st.booleans()):
        fields["required"] = draw(st.booleans())
    else:
        default = draw(st.lists(values[kind], max_size=4) if multiple else values[kind])
        fields["default"] = tuple(default) if multiple else default  # type: ignore[arg-type]
        if kind in ("integer", "number") and draw(st.booleans()):
            known = [*(default if multiple else [default]), 0]  # type: ignore[misc]
            fields |= {"minimum": min(known), "maximum": max(known)}
    return Parameter(**fields)  # type: ignore[arg-type]


@st.composite
def descriptions(draw: st.DrawFn) -> JobDescription:
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    results = draw(st.lists(NAMES.map(lambda name: f"r{name}"), max_size=3, unique=True))
    paths = st.sampled_from([None, "*.fits", "sub/{{x}}.txt", "**/b"])
    generated = [
        Generated(name=name, path=f"{name}-{path}" if (path := draw(paths)) else None, optional=draw(st.booleans()),
                  content_type=draw(st.sampled_from(["text/plain", "application/octet-stream"])),
                  max_items=draw(st.integers(1, 100)))
        for name in results
    ]  # fmt: skip
    return JobDescription(
        name=draw(NAMES.map(lambda name: f"j{name}")),
        title=draw(TEXT),
        description=draw(TEXT),
        version=draw(TEXT),
        contact=draw(st.none() | TEXT),
        parameters=tuple(draw(parameters(name)) for name in names),
        generated=tuple(generated),
        command=("prog", *(draw(st.sampled_from([f"--{name}={{{name}}}", f"{{{name}}}"])) for name in names)),
        execution_duration=draw(st.integers(0, 86400)),
        quote=draw(st.none() | st.integers(0, 100)),
        cores=draw(st.integers(1, 8)),
    )


@given(descriptions())
@settings(max_examples=60, deadline=None)
def test_any_description_is_the_same_again(description: JobDescription) -> None:
    again = read(write_jdl(description))
    assert again == description
    assert again.digest == description.digest


def test_what_xml_cannot_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="XML cannot hold"):
        write_jdl(JobDescription(name="x", script="echo '\x1b[0m'"))
