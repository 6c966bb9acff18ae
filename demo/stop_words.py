"""Words that say nothing about what a docstring is about: those of English, and those of docstrings."""

_ENGLISH = """
about above according across after again against all almost alone along already also although always among and another
any anything are around aside away back based because become becomes been before behind being below besides better
between beyond both but calling came can cannot come comes contain contained containing contains could did different
do does doing don done down during each either else enough etc even ever every everything exactly example examples
except few first following for found from full further general generally get gets give given gives giving go goes had
has have having hence here how however ideally instead into isn its itself just keep keeps kept know known last later
least less let lets like likely long look made mainly make makes making many may maybe mean means might more most
mostly much must namely near need needed needs neither never new next nor not nothing note notes now off often once
one ones only onto other others otherwise our out over own particular per perform performed performs perhaps please
possible present put rather really regardless respectively said same second see seen several shall she should shown
shows similar similarly simple simply since single small some something sometimes specific still such suitable sure
take taken takes taking than that the their them themselves then there therefore these they thing things this those
though three through thus together too toward towards try two typical typically under unless unlike until upon usage
use used useful user uses using usual usually various very via want wants was way ways well were what whatever when
whenever where whereas whether which while who whole whose why will with within without won would yes yet you your
zero able allow allowed allows apply applied applies appropriate available avoid best care case cases certain change
changed changes common consider corresponding correct currently describe described describes desired detail details
directly easily entire equivalent exist existing exists explicit explicitly extra fact final finally good handle
handled handles help helper ignore ignored ignores immediately implicit important include included includes including
inside intended internal internally keeping leave left main manner necessary number original originally pair part
perfect pass passed passes passing place point previous prevent provide provided provides providing purpose quite
reason related relevant represent represented represents representing require required requires result resulting
results return returned returning returns right run running runs separate set sets setting show side situation
slightly specified specifies specify specifying start starting starts support supported supports total true turn
underlying whichever work working works worth add added adding adds additional additionally call called callable calls
compute computed computes computing calculate calculated calculates create created creates creating define defined
defines definition determine determined determines expect expected find finds generate generated generates happen
happens hold holds implement implementation implemented implements indicate indicates indicating method methods obtain
obtained old real refer reference references replace replaced explanation guide non num max min correspond mode
behavior automatically current default defaults four five six seven eight nine ten
"""

_DOCSTRINGS = """
abc accept accepted accepts alias api arg args argument arguments array arrays arraylike attr attribute attributes
bool boolean class classes code deprecated doc docs docstring dtype element elements enum exception exceptions false
float func function functions ignored inf inherit inherited init initialize initialized input inputs instance
instances int integer integers issue iterable keyword kwarg kwargs iter len list lists repr module name named names
namespace ndarray none null obj object objects optional option options output outputs param parameter parameters
property pep pre python raise raised raises ref self sequence shape size str string strings subclass subclasses tuple
tuples type types value values var variable variables version versionadded versionchanged warning warnings yield
yields org www github com arxiv doi pdf wikipedia wiki isbn press university journal vol volume proc
pages chapter section article sci concept glossary meantime published ongoing overwritten reproducible prentice hall
phys rev algo book john wiley springer chen smith van paper papers author authors math text frac left right cdot
mathbf mathrm begin end sum leq geq ldots times quad infty array_like scalar scalars dict dictionary dictionaries
dimension dimensional dimensions item items index indices axis axes numpy scipy sklearn torch sympy networkx gensim
pydantic hypothesis click flask werkzeug jinja setuptools rich fsspec gunicorn boto joblib pytorch
"""

STOP_WORDS = frozenset(_ENGLISH.split()) | frozenset(_DOCSTRINGS.split())
"""Left out before counting."""
